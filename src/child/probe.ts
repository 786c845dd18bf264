/**
 * The probe: a test child that does what children may do, before any client depends on it.
 *
 * @module
 */
import {
  decodeStatus,
  endWithin,
  exitNow,
  fork,
  signalName,
  waitFor,
} from "../posix/forking.ts";
import { beReborn, type Rebirth } from "./rebirth.ts";

/** Seconds that the test child has. */
const PATIENCE = 3;
/** What the test child reads and runs. */
const SHELL = "/bin/sh";

/**
 * Permissions of the probe, as narrow as they can be, beside those that handlers keep.
 *
 * @param grants What handlers keep.
 * @returns Flags of the zygote.
 */
export function probeFlags(grants: readonly string[]): string[] {
  const flags: string[] = [];
  if (!grants.includes("read")) flags.push(`--allow-read=${SHELL}`);
  if (!grants.includes("run")) flags.push(`--allow-run=${SHELL}`);
  return flags;
}

/**
 * Gives up what the probe alone needed, where handlers keep something of the same kind.
 *
 * @param grants What handlers keep.
 */
export function revokeProbePermissions(grants: readonly string[]): void {
  const scoped = (kind: string) =>
    grants.some((grant) => grant.startsWith(`${kind}=`));
  if (scoped("read") && !grants.includes(`read=${SHELL}`)) {
    Deno.permissions.revokeSync({ name: "read", path: SHELL });
  }
  if (scoped("run") && !grants.includes(`run=${SHELL}`)) {
    Deno.permissions.revokeSync({ name: "run", command: SHELL });
  }
}

/** Exit codes of the test child, each naming what did not work. */
const FAILURES: Readonly<Record<number, string>> = {
  10: "a timer did not run",
  11: "a file could not be read",
  12: "a subprocess could not be run",
};

/**
 * Forks the test child and waits for it.
 *
 * @param rebirth What the zygote prepared.
 * @returns In the zygote null; in the test child what it must await to get to its event loop.
 * @throws {TypeError} When something did not work; the message says what.
 */
export function forkProbe(rebirth: Rebirth): Promise<never> | null {
  const pid = fork();
  if (pid === 0) {
    endWithin(PATIENCE); // also when nobody is left to wait for it
    beReborn(rebirth, true);
    return check().then(exitNow, () => exitNow(13));
  }
  const status = waitFor(pid);
  if (status === 0) return null;
  const { code, signal } = decodeStatus(status);
  const what = signal
    ? `it was ended by ${signalName(signal)}`
    : FAILURES[code] ?? "it threw";
  throw new TypeError(`Cannot fork: a forked test process failed: ${what}`);
}

async function check(): Promise<number> {
  const timer = await new Promise((resolve) =>
    setTimeout(() => resolve(true), 1)
  );
  if (!timer) return 10;
  using file = await Deno.open(SHELL);
  if (await file.read(new Uint8Array(64)) === null) return 11;
  const { code } = await new Deno.Command(SHELL, { args: ["-c", "exit 7"] })
    .output();
  return code === 7 ? 0 : 12;
}
