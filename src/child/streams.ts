/**
 * Web streams over a connection, with backpressure: bytes are read when somebody wants them, and
 * written when the client takes them.
 *
 * @module
 */

import type { Connection } from "../service/service.ts";
import { bytesOfAny } from "./bytes.ts";

/** What a stream needs of a connection. */
export type Duplex = Pick<
  Connection,
  "read" | "write" | "closeWrite" | "close"
>;

const CHUNK = 64 * 1024;

/**
 * What the client sends, as a byte stream.
 *
 * @param connection The connection. Cancelling the stream closes it.
 * @returns The stream; it ends at the client's half-close.
 */
export function readableOf(
  connection: Duplex,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: CHUNK,
    async pull(controller) {
      const request = controller.byobRequest!;
      const view = request.view as Uint8Array<ArrayBuffer>;
      const count = await connection.read(view);
      if (count !== null) return request.respond(count);
      controller.close();
      request.respond(0);
    },
    cancel() {
      connection.close();
    },
  });
}

/**
 * What the client gets.
 *
 * @param connection The connection. Closing the stream ends this side (half-close); aborting it
 *   closes the connection.
 * @returns The stream.
 */
export function writableOf(
  connection: Duplex,
): WritableStream<Uint8Array<ArrayBufferLike>> {
  return new WritableStream({
    async write(chunk) {
      await connection.write(bytesOfAny(chunk));
    },
    close: () => connection.closeWrite(),
    abort: () => connection.close(),
  });
}
