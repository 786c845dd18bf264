/** Becomes the command that its arguments name, in a world where the kernel knows no seccomp. */
import { assemblePolicy, VERDICTS } from "../../src/posix/syscall_filter.ts";
import { ProgramImage } from "../../src/posix/exec.ts";
import { giveUpNewPrivileges, installFilter } from "../../src/posix/seccomp.ts";

const PR_SET_SECCOMP = 22; // linux/prctl.h
const { allow, missing } = VERDICTS;
const path = Deno.args[0]!;
const variables = Object.entries(Deno.env.toObject());
const env = variables.map(([name, value]) => `${name}=${value}`);
const image = new ProgramImage(path, Deno.args, env, {
  bytes: 0,
  variables: 0,
});
giveUpNewPrivileges();
installFilter(
  assemblePolicy({
    rules: [
      { call: "seccomp", verdict: missing },
      {
        call: "prctl",
        checks: [{ argument: 0, is: PR_SET_SECCOMP, then: missing }],
        verdict: allow,
      },
    ],
    others: allow,
  }, Deno.build.arch),
);
image.become([]);
