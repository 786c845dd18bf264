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
import { changeDirectory } from "../posix/process.ts";
import { SHELL } from "./probe_permissions.ts";
import { beReborn, type Rebirth } from "./rebirth.ts";

/** Seconds that the test child has. */
const PATIENCE = 3;

/** Exit codes of the test child, each naming what did not work. */
const FAILURES: Readonly<Record<number, string>> = {
  10: "a timer did not run",
  11: "a file could not be read",
  12: "a subprocess could not be run",
};

/** A test child at its work. */
export interface Probe {
  /**
   * Waits until it has ended.
   *
   * @throws {TypeError} When something did not work; the message says what.
   */
  wait(): void;
}

/**
 * Forks the test child.
 *
 * @param rebirth What the zygote prepared.
 * @returns In the zygote the child; in the test child what it must await to get to its event loop.
 */
export function forkProbe(rebirth: Rebirth): Promise<never> | Probe {
  const pid = fork();
  if (pid === 0) {
    endWithin(PATIENCE); // also when nobody is left to wait for it
    changeDirectory("/"); // where the current one has been removed, the runtime starts nothing
    beReborn(rebirth, true);
    return check().then(exitNow, () => exitNow(13));
  }
  return { wait: () => judge(waitFor(pid)) };
}

function judge(status: number): void {
  if (status === 0) return;
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
