/**
 * The probe: a test child that does what children may do, and no more, before any client depends on it.
 *
 * @module
 */
import { POLLIN } from "../posix/abi.ts";
import {
  decodeStatus,
  endWithin,
  exitNow,
  fork,
  signalName,
  waitFor,
} from "../posix/forking.ts";
import { pollLater, read, write } from "../posix/io.ts";
import { socketPair } from "../posix/net/sockets.ts";
import { changeDirectory } from "../posix/process.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import { SlowError } from "../wire/tell.ts";
import { beReborn, type Rebirth } from "./birth.ts";

/** Seconds that the test child has. */
const PATIENCE = 3;
const SIGALRM = 14;
const SHELL = "/bin/sh";

/** Exit codes of the test child, each naming what did not work. */
const FAILURES: Readonly<Record<number, string>> = {
  10: "a timer did not run",
  11: "a thread did not do its work",
  12: "a subprocess could not be run",
  14: "a byte did not arrive",
};

/** A test child at its work. */
interface Probe {
  /**
   * Waits until it has ended. Throws `TypeError` when something did not work; the message says what. Throws
   * `SlowError` when it took too long.
   */
  wait(): void;
}

/** Forks the test child. */
export function forkProbe(
  rebirth: Rebirth,
  { grants, sandbox }: ChildOptions,
): Promise<never> | Probe {
  const pid = fork();
  if (pid === 0) {
    endWithin(PATIENCE); // also when no process waits for it
    beReborn(rebirth);
    if (rebirth.reactor === null) exitNow(passByte());
    const runs = grants.includes("run") && sandbox.level !== "strict";
    return check(runs).then(exitNow, () => exitNow(13));
  }
  return { wait: () => judge(waitFor(pid)) };
}

function judge(status: number): void {
  if (status === 0) return;
  const { code, signal } = decodeStatus(status);
  if (signal === SIGALRM) {
    throw new SlowError(
      `Cannot fork: a forked test process did not finish within ${PATIENCE} s`,
    );
  }
  const what = signal
    ? `it was killed by ${signalName(signal)}`
    : FAILURES[code] ?? "it threw";
  throw new TypeError(`Cannot fork: a forked test process failed: ${what}`);
}

/** A minimal version of a built-in service. */
function passByte(): number {
  const [ours, theirs] = socketPair();
  write(theirs.number, new Uint8Array([1]));
  const byte = new Uint8Array(1);
  return read(ours.number, byte) === 1 && byte[0] === 1 ? 0 : 14;
}

async function check(runs: boolean): Promise<number> {
  const timer = await new Promise((resolve) =>
    setTimeout(() => resolve(true), 1)
  );
  if (!timer) return 10;
  const [ours, theirs] = socketPair();
  const ready = pollLater(ours.number, POLLIN, -1);
  write(theirs.number, new Uint8Array(1));
  if (await ready === 0) return 11;
  if (!runs) return 0;
  changeDirectory("/"); // where the current one has been removed, the runtime starts nothing
  const { code } = await new Deno.Command(SHELL, { args: ["-c", "exit 7"] })
    .output();
  return code === 7 ? 0 : 12;
}
