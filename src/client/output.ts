/**
 * Standard output: what the server sent, with the prefix, all of it.
 *
 * @module
 */
import { POLLOUT } from "../posix/abi.ts";
import { poll, write } from "../posix/io.ts";
import { Prefixer } from "./prefix.ts";
import { reasonOf } from "../posix/reason.ts";

const STDOUT = 1;

/** Prints and counts what comes from the server. */
export class Output {
  /** Bytes that came from the server so far. */
  received = 0;
  readonly #prefixer: Prefixer;

  /**
   * Starts with nothing received.
   *
   * @param prefix What every line starts with; may be empty.
   */
  constructor(prefix: string) {
    this.#prefixer = new Prefixer(prefix);
  }

  /**
   * Prints bytes; returns when the system has taken all of them.
   *
   * @param bytes What came from the server.
   * @throws {Error} When they cannot be written: the reader is gone, the disk is full.
   */
  print(bytes: Uint8Array<ArrayBuffer>): void {
    this.received += bytes.length;
    let rest = this.#prefixer.push(bytes);
    try {
      while (rest.length > 0) {
        const count = write(STDOUT, rest);
        // Another process may have made a shared pipe or terminal non-blocking.
        if (count < 0) poll([{ fd: STDOUT, events: POLLOUT }]);
        else rest = rest.subarray(count);
      }
    } catch (error) {
      throw new Error(`Cannot write to standard output: ${reasonOf(error)}`);
    }
  }
}
