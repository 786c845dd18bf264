/**
 * Web streams over a connection, with backpressure: bytes are read when somebody wants them, and
 * written when the client takes them.
 *
 * @module
 */

import {
  getterOf,
  given,
  own,
  ReadableStream,
  uncurry,
  WritableStream,
} from "../posix/intrinsics.ts";
import type { Connection } from "../service/service.ts";
import { bytesOfAny } from "./bytes.ts";

/** What a stream needs of a connection, whatever its handler makes of the methods. */
export type Duplex = Pick<
  Connection,
  "read" | "write" | "closeWrite" | "close"
>;

const CHUNK = 64 * 1024;

type Request = ReadableStreamBYOBRequest;
const requestOf = getterOf<Request>(
  ReadableByteStreamController.prototype,
  "byobRequest",
);
const viewOf = getterOf<Uint8Array>(
  ReadableStreamBYOBRequest.prototype,
  "view",
);
const respond = uncurry(ReadableStreamBYOBRequest.prototype, "respond");
const end = uncurry(ReadableByteStreamController.prototype, "close");

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
    __proto__: null,
    type: "bytes",
    autoAllocateChunkSize: CHUNK,
    pull: (controller) => given(fill(controller, connection)),
    cancel() {
      connection.close();
    },
  } as UnderlyingByteSource);
}

/**
 * What the client gets.
 *
 * @param connection The connection. Closing the stream ends this side (half-close); aborting it
 *   closes the connection.
 */
export function writableOf(
  connection: Duplex,
): WritableStream<Uint8Array<ArrayBufferLike>> {
  return new WritableStream({
    __proto__: null,
    write: (chunk) => given(send(chunk, connection)),
    close: () => given(connection.closeWrite()),
    abort: () => connection.close(),
  } as UnderlyingSink<Uint8Array<ArrayBufferLike>>);
}

async function fill(
  controller: ReadableStreamController<Uint8Array>,
  connection: Duplex,
): Promise<void> {
  const request = requestOf(controller);
  const count = await own(connection.read(viewOf(request)));
  if (count !== null) return respond(request, count);
  end(controller as ReadableByteStreamController);
  respond(request, 0);
}

async function send(chunk: unknown, connection: Duplex): Promise<void> {
  await own(connection.write(bytesOfAny(chunk)));
}

const isReadLocked = getterOf<boolean>(ReadableStream.prototype, "locked");
const isWriteLocked = getterOf<boolean>(WritableStream.prototype, "locked");

/**
 * Whether somebody reads from a stream.
 *
 * @param stream The stream; undefined where nobody has asked for one.
 * @returns Whether somebody does.
 */
export function isRead(stream: ReadableStream | undefined): boolean {
  return stream !== undefined && isReadLocked(stream);
}

/**
 * Whether somebody writes to a stream.
 *
 * @param stream The stream; undefined where nobody has asked for one.
 * @returns Whether somebody does.
 */
export function isWritten(stream: WritableStream | undefined): boolean {
  return stream !== undefined && isWriteLocked(stream);
}
