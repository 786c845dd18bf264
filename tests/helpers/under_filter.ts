/** Becomes the command that its arguments name, under a filter of system calls that the first one names. */
import {
  assemblePolicy,
  giveUpNewPrivileges,
  installFilter,
  type Policy,
  prepareFilter,
  VERDICTS,
} from "../../src/posix/seccomp/filter.ts";
import { ProgramImage } from "../../src/posix/exec.ts";
import { setInherit } from "../../src/posix/fd.ts";

const PR_SET_SECCOMP = 22; // linux/prctl.h
const { allow, missing, notify } = VERDICTS;

const FILTERS: Readonly<Record<string, Policy>> = {
  /** A world where the kernel knows no seccomp. */
  "without-seccomp": {
    rules: [
      { call: "seccomp", verdict: missing },
      {
        call: "prctl",
        checks: [{ argument: 0, is: PR_SET_SECCOMP, then: missing }],
        verdict: allow,
      },
    ],
    others: allow,
  },
  /** A world where the kernel knows no Landlock. */
  "without-landlock": {
    rules: [{ call: "landlock_create_ruleset", verdict: missing }],
    others: allow,
  },
  /** A world before Linux 6.7, which cannot say which pages of a process are its own. */
  "without-pagemap-scan": {
    rules: [{
      call: "ioctl",
      checks: [{ argument: 1, is: 0xc0606610, then: missing }],
      verdict: allow,
    }],
    others: allow,
  },
  /** A container whose manager is asked about some calls: nobody else can be asked about others then. */
  "with-listener": {
    rules: [{ call: "mknodat", verdict: notify }],
    others: allow,
  },
};

const [name, ...command] = Deno.args;
const variables = Object.entries(Deno.env.toObject());
const env = variables.map(([name, value]) => `${name}=${value}`);
const image = new ProgramImage(command[0]!, command, env, {
  bytes: 0,
  variables: 0,
});
giveUpNewPrivileges();
const filter = assemblePolicy(FILTERS[name!]!, Deno.build.arch);
const listener = installFilter(prepareFilter(filter), {
  listen: name === "with-listener",
});
if (listener) setInherit(listener.number, true); // the command has it for as long as it runs
image.become([]);
