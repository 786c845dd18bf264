/**
 * The client: this process reads the connection, another one writes it, and neither waits for the
 * other.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { poll, read } from "../posix/io.ts";
import { setProcessName } from "../posix/process.ts";
import { reasonOf } from "../posix/reason.ts";
import {
  type ClientOptions,
  connect,
  greet,
  Idleness,
  verdict,
} from "./conversation.ts";
import { Output } from "./output.ts";
import { takeWriter, type Writer } from "./writer_process.ts";

const BUFFER_SIZE = 256 * 1024;

/**
 * Talks to a server until it ends its side of the connection. The writing process is gone when this returns or
 * throws. Throws `Error` when something went wrong; the message is for a person.
 */
export async function runClient(options: ClientOptions): Promise<void> {
  setProcessName("mpclient");
  // Its start takes longer than connecting does: the two go on at the same time.
  await using writer = takeWriter();
  using connection = await connect(options.target, options.connectTimeout);
  greet(options);
  writer.hand(connection.fd, options);
  const output = new Output(options.prefix);
  try {
    const end = readToEnd(
      connection.fd,
      writer,
      output,
      options.idleTimeout ?? 0,
    );
    const report = await writer.stop();
    const { received } = output;
    const complaint = verdict({ report, received, raw: options.raw, ...end });
    if (complaint !== null) throw new Error(complaint);
  } catch (error) {
    output.endLine();
    throw error;
  }
}

/**
 * Prints what comes until the server ends its side, or the writer cannot do its part. A writer that is done, or that
 * the connection failed, is no reason to stop: what the server sent is still there. Returns why reading failed, null
 * when it did not; and the time-out that ended it, if one did.
 */
function readToEnd(
  socket: number,
  writer: Writer,
  output: Output,
  idleTimeout: number,
): { failure: string | null; idle?: number } {
  const buffer = new Uint8Array(BUFFER_SIZE);
  const idleness = new Idleness(idleTimeout);
  for (;;) {
    const [data, reports] = poll([
      { fd: socket, events: abi.POLLIN },
      { fd: writer.channel, events: abi.POLLIN },
    ], idleness.wait);
    if (data === 0 && reports === 0) {
      return { failure: null, idle: idleTimeout };
    }
    idleness.stir();
    if (reports !== 0 && !writer.receive()) {
      const { kind } = writer.report;
      if (kind === "progress" || kind === "input-failed") {
        return { failure: null };
      }
    }
    if (data === 0) continue;
    const count = tryRead(socket, buffer);
    if (typeof count === "string") return { failure: count };
    if (count === 0) return { failure: null };
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
