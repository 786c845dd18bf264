/**
 * The end of a connection whose client may still be sending.
 *
 * @module
 */
import { POLLIN } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { now } from "../posix/intrinsics.ts";
import { pollOne, receiveNow } from "../posix/io.ts";
import { endWriting } from "../posix/net/sockets.ts";

/** Once its answer is out, how long a client may pause, and how long it may send in all: milliseconds. */
const LINGER = { pause: 1_000, all: 30_000 };
/** Where bytes go that nobody wants. */
export const unwanted: Uint8Array<ArrayBuffer> = new Uint8Array(64 * 1024);

/**
 * Ends this side, and throws away what the client still sends until it ends, too.
 *
 * @returns How many bytes that was.
 */
export function linger(fd: number): number {
  let thrownAway = 0;
  endWriting(fd);
  try {
    const end = now() + LINGER.all;
    for (let count; (count = receiveNow(fd, unwanted)) !== 0;) {
      if (count > 0) thrownAway += count;
      if (!pollOne(fd, POLLIN, LINGER.pause) || now() > end) break;
    }
  } catch (error) {
    if (!PosixError.is(error)) throw error;
    // The client is gone: nobody is left to spare.
  }
  return thrownAway;
}
