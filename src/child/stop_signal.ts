/**
 * Tells a handler that the server drains: the parent sends SIGUSR2, which stays blocked until the handler reads
 * `connection.signal`.
 *
 * @module
 */
import { POLLIN } from "../posix/abi.ts";
import {
  holdStopSignal,
  releaseStopSignal,
  watchStopSignal,
} from "../posix/forking.ts";
import { begin, getterOf, own, uncurry } from "../posix/intrinsics.ts";
import { pollLater } from "../posix/io.ts";

const { AbortController, DOMException } = globalThis;
const signalOf = getterOf<AbortSignal>(AbortController.prototype, "signal");
const abort = uncurry(AbortController.prototype, "abort");
const { addSignalListener } = Deno;

let controller: AbortController | undefined;

/** A forked child may lack the thread of the runtime's listeners, but all its own hold the signal back. */
let isForked = false;

/**
 * Holds the signal back from here on: it would end a process that is not prepared for it.
 */
export function prepareStopSignal(process: { isZygote: boolean }): void {
  isForked = process.isZygote;
  holdStopSignal();
}

/** The signal that a drain aborts. */
export function stopSignal(): AbortSignal {
  if (!controller) {
    const made = new AbortController();
    controller = made;
    onStop(() =>
      abort(made, new DOMException("The server is draining", "AbortError"))
    );
  }
  return signalOf(controller);
}

function onStop(stop: () => void): void {
  if (isForked) {
    const fd = watchStopSignal(); // open until this process ends
    return void waitFor(fd.number, stop);
  }
  begin(() => addSignalListener("SIGUSR2", stop));
  releaseStopSignal();
}

async function waitFor(fd: number, stop: () => void): Promise<void> {
  await own(pollLater(fd, POLLIN, -1));
  stop();
}
