/**
 * Writes everything that the server sends to standard output, with the prefix.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { poll, write } from "../posix/io.ts";
import { descriptorTarget } from "../posix/proc.ts";
import { reasonOf } from "../posix/reason.ts";

const STDOUT = 1;
const STDERR = 2;
const NEWLINE = 0x0a;

/** Standard output has no reader any more: the reader of its pipe is gone. */
export class OutputClosed extends Error {}

/** Prints and counts the server's bytes. */
export class Output {
  /** Bytes that came from the server so far. */
  received = 0;
  readonly #prefixer: Prefixer;
  /** Whether the last line that was printed has no end yet. */
  #isOpen = false;

  constructor(prefix: string) {
    this.#prefixer = new Prefixer(prefix);
  }

  /**
   * Prints bytes; returns when the system has taken all of them. Throws `OutputClosed` when nobody reads it any more.
   * Throws `Error` when they cannot be written: the disk is full.
   */
  print(bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length === 0) return;
    this.received += bytes.length;
    this.#isOpen = bytes[bytes.length - 1] !== NEWLINE;
    let rest = this.#prefixer.push(bytes);
    try {
      while (rest.length > 0) {
        const count = write(STDOUT, rest);
        // Another process may have made a shared pipe or terminal non-blocking.
        if (count < 0) poll([{ fd: STDOUT, events: abi.POLLOUT }]);
        else rest = rest.subarray(count);
      }
    } catch (error) {
      if (error instanceof PosixError && error.code === "EPIPE") {
        throw new OutputClosed();
      }
      throw new Error(`Cannot write to standard output: ${reasonOf(error)}`);
    }
  }

  /** Ends a line that has no end, where an error would stand behind it: on a terminal, in one log. */
  endLine(): void {
    if (!this.#isOpen || !isSharedWithErrors()) return;
    this.#isOpen = false;
    try {
      Deno.stderr.writeSync(Uint8Array.of(NEWLINE));
    } catch {
      // Nothing can be reported: the exit code still gives the result.
    }
  }
}

/** Whether both are the same terminal, file or pipe, as far as the system tells. */
function isSharedWithErrors(): boolean {
  if (Deno.stdout.isTerminal() && Deno.stderr.isTerminal()) return true;
  const target = descriptorTarget(STDOUT); // Linux
  return target !== null && target === descriptorTarget(STDERR);
}

/** Puts a prefix before the first byte of every line. */
export class Prefixer {
  readonly #prefix: Uint8Array;
  #atLineStart = true;

  /** Starts at the start of a line. */
  constructor(prefix: string) {
    this.#prefix = new TextEncoder().encode(prefix);
  }

  /** Takes the next bytes. `chunk`: the bytes, any number of them. */
  push(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (this.#prefix.length === 0 || chunk.length === 0) return chunk;
    const starts = this.#lineStarts(chunk);
    this.#atLineStart = chunk[chunk.length - 1] === NEWLINE;
    if (starts.length === 0) return chunk;
    const output = new Uint8Array(
      chunk.length + starts.length * this.#prefix.length,
    );
    output.set(chunk.subarray(0, starts[0]));
    let at = starts[0]!;
    starts.forEach((start, i) => {
      const line = chunk.subarray(start, starts[i + 1] ?? chunk.length);
      output.set(this.#prefix, at);
      output.set(line, at + this.#prefix.length);
      at += this.#prefix.length + line.length;
    });
    return output;
  }

  /** Where lines start in a chunk; a newline at its end starts one in the next. */
  #lineStarts(chunk: Uint8Array): number[] {
    const starts = this.#atLineStart ? [0] : [];
    const last = chunk.length - 1;
    for (
      let at = chunk.indexOf(NEWLINE);
      at >= 0 && at < last;
      at = chunk.indexOf(NEWLINE, at + 1)
    ) {
      starts.push(at + 1);
    }
    return starts;
  }
}
