/**
 * The client: this process reads the connection, another one writes it, and neither waits for the
 * other.
 *
 * @module
 */
import { POLLIN } from "../posix/abi.ts";
import { poll, read } from "../posix/io.ts";
import { setProcessName } from "../posix/process.ts";
import { connect, type Target } from "./connect.ts";
import { Output } from "./output.ts";
import { reasonOf } from "../posix/reason.ts";
import { verdict } from "./verdict.ts";
import { takeWriter } from "./early_writer.ts";
import type { Writer } from "./writer_process.ts";

const BUFFER_SIZE = 256 * 1024;

/** How to talk to a server. */
export interface ClientOptions {
  /** The server. */
  readonly target: Target;
  /** What every printed line starts with; may be empty. */
  readonly prefix: string;
  /** Copies bytes: no quit line, and the prefix should be empty. */
  readonly raw: boolean;
  /** Milliseconds that connecting may take; 0 for as long as the system tries. */
  readonly connectTimeout: number;
}

/**
 * Talks to a server until it ends its side of the connection. The writing process is gone when this
 * returns or throws.
 *
 * @param options How.
 * @throws {Error} When something went wrong; the message is for a person.
 */
export async function runClient(options: ClientOptions): Promise<void> {
  setProcessName("mpclient");
  // Its start takes longer than connecting does: the two go on at the same time.
  await using writer = await takeWriter(options.raw ? "raw" : "text");
  using connection = await connect(options.target, options.connectTimeout);
  writer.hand(connection.fd);
  const output = new Output(options.prefix);
  const failure = readToEnd(connection.fd, writer, output);
  const report = await writer.stop();
  const { received } = output;
  const complaint = verdict({ report, received, failure, raw: options.raw });
  if (complaint !== null) throw new Error(complaint);
}

/**
 * Prints what comes until the server ends its side, or the writer cannot do its part. A writer that
 * is done, or that the connection failed, is no reason to stop: what the server sent is still there.
 *
 * @returns Why reading failed; null when it did not.
 */
function readToEnd(
  socket: number,
  writer: Writer,
  output: Output,
): string | null {
  const buffer = new Uint8Array(BUFFER_SIZE);
  for (;;) {
    const [data, reports] = poll([
      { fd: socket, events: POLLIN },
      { fd: writer.channel, events: POLLIN },
    ]);
    if (reports !== 0 && !writer.receive()) {
      const { kind } = writer.report;
      if (kind === "progress" || kind === "input-failed") return null;
    }
    if (data === 0) continue;
    const count = tryRead(socket, buffer);
    if (typeof count === "string") return count;
    if (count === 0) return null;
    if (count > 0) output.print(buffer.subarray(0, count));
  }
}

/** How many bytes came, as {@linkcode read} says it, or why reading failed. */
function tryRead(
  socket: number,
  buffer: Uint8Array<ArrayBuffer>,
): number | string {
  try {
    return read(socket, buffer);
  } catch (error) {
    return reasonOf(error);
  }
}
