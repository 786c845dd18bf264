/**
 * The end of the input: the line that ends a conversation (`q` or `Q`, alone on a line), and its effect on the
 * connection.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import { shutdownWrite } from "../posix/net/sockets.ts";
import { reasonOf } from "../posix/reason.ts";
import type { WriterReportKind } from "./writer_reports.ts";

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const LETTERS: readonly (number | undefined)[] = [0x71, 0x51]; // q, Q
const NOTHING = new Uint8Array(0);

/**
 * Lets bytes through up to the quit line, which may come in pieces. A line is `q` or `Q`, then a newline with or
 * without a carriage return before it. Nothing is held back but what may still become that line: two bytes at most.
 */
export class QuitScanner {
  /** The start of the line under way, when it may still become a quit line. */
  #held: Uint8Array<ArrayBuffer> = NOTHING;
  #atLineStart = true;
  #quit = false;

  /** Whether the quit line has come; what follows it is not let through. */
  get quit(): boolean {
    return this.#quit;
  }

  /** Takes the next bytes of the input. `chunk`: the bytes, any number of them. */
  push(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (this.#quit || chunk.length === 0) return NOTHING;
    const bytes = this.#held.length > 0 ? joined(this.#held, chunk) : chunk;
    this.#held = NOTHING;
    let line = this.#atLineStart ? 0 : bytes.indexOf(NEWLINE) + 1;
    if (line === 0 && !this.#atLineStart) return bytes;
    while (line < bytes.length) {
      const kind = lineKind(bytes, line);
      if (kind !== "other") return this.#cut(bytes, line, kind);
      line = bytes.indexOf(NEWLINE, line) + 1;
      if (line === 0) {
        this.#atLineStart = false;
        return bytes;
      }
    }
    this.#atLineStart = true;
    return bytes;
  }

  /** Says that no more comes: what is held back then, `q` without a newline, is a quit line too. */
  end(): void {
    if (this.#held.length > 0) this.#quit = true;
  }

  #cut(
    bytes: Uint8Array<ArrayBuffer>,
    line: number,
    kind: "quit" | "open",
  ): Uint8Array<ArrayBuffer> {
    if (kind === "quit") this.#quit = true;
    else this.#held = bytes.slice(line);
    this.#atLineStart = true;
    return bytes.subarray(0, line);
  }
}

/** Whether the line that starts at an offset is a quit line, or may become one with more bytes. */
function lineKind(bytes: Uint8Array, line: number): "quit" | "open" | "other" {
  if (!LETTERS.includes(bytes[line])) return "other";
  const end = bytes[line + 1] === RETURN ? line + 2 : line + 1;
  if (end >= bytes.length) return "open";
  return bytes[end] === NEWLINE ? "quit" : "other";
}

function joined(
  first: Uint8Array,
  second: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Why sending is over, and the reason where something failed. */
export type Ending = readonly [
  kind: Exclude<WriterReportKind, "progress">,
  text?: string,
];

/** Ends this side of a connection. Returns that it is half-closed, or why it could not be. */
export function halfClose(socket: number): Ending {
  try {
    shutdownWrite(socket);
    return ["half-closed"];
  } catch (error) {
    return socketFailure(error);
  }
}

/** Handles the end of the input. */
export function endOfInput(socket: number, noShutdown: boolean): Ending {
  return noShutdown ? ["input-ended"] : halfClose(socket);
}

/**
 * Interprets an error of the socket. A server that closed the connection is no failure by itself:
 * the reading process sees the end, too, and decides.
 */
export function socketFailure(error: unknown): Ending {
  const hungUp = error instanceof PosixError &&
    ["EPIPE", "ENOTCONN"].includes(error.code);
  return hungUp ? ["hung-up"] : ["socket-failed", reasonOf(error)];
}
