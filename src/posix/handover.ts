/**
 * The handover: a descriptor travels to another process as ancillary data of a message on a Unix
 * domain socket (`SCM_RIGHTS`, unix(7)). The receiver gets a descriptor of its own for the same
 * open file; the sender's stays open until the sender closes it.
 *
 * @module
 */
import { abi } from "./abi.ts";
import { errno, errorName, PosixError } from "./errno.ts";
import { Fd, setInherit } from "./fd.ts";
import { cLibrary } from "./libc.ts";
import {
  controlSizes,
  Message,
  readControlHead,
  writeControlHead,
} from "./message.ts";

const libc = cLibrary("recvmsg", "sendmsg");

/** Bytes of data that may travel beside the descriptor. */
export const MAX_DATA = 512;

// Room for a few descriptors more than the one that we expect: what a peer sends beyond it must
// arrive here to be closed.
const MAX_DESCRIPTORS = 8;
const one = controlSizes(abi, 4);
const many = controlSizes(abi, 4 * MAX_DESCRIPTORS);
const outgoing = new Message(MAX_DATA, one.space);
const incoming = new Message(MAX_DATA, many.space);
const { EINTR, EAGAIN } = abi.errno;

/** What came over a channel. */
export interface Received {
  /** The data, valid until the next receive. */
  readonly data: DataView<ArrayBuffer>;
  /** The descriptor that came along, the receiver's to close; null when none did. */
  readonly fd: Fd | null;
}

/**
 * Sends data, and a descriptor with it, without blocking: `sendmsg(2)`.
 *
 * @param channel A Unix domain socket.
 * @param data At least one byte, at most {@linkcode MAX_DATA}.
 * @param fd The descriptor to send, borrowed; null sends the data alone.
 * @returns Whether it went; false when the channel is full.
 * @throws {RangeError} When the data has the wrong size.
 * @throws {PosixError} EPIPE or ECONNRESET when the other end is gone; ETOOMANYREFS when too many
 *   descriptors of this user are in flight.
 */
export function sendFd(
  channel: number,
  data: Uint8Array,
  fd: number | null,
): boolean {
  if (data.length < 1 || data.length > MAX_DATA) {
    throw new RangeError(
      `Cannot send ${data.length} bytes with a descriptor: 1 to ${MAX_DATA}`,
    );
  }
  outgoing.data.set(data);
  outgoing.prepare(data.length, fd === null ? 0 : one.space);
  if (fd !== null) {
    const head = {
      length: one.length,
      level: abi.SOL_SOCKET,
      type: abi.SCM_RIGHTS,
    };
    writeControlHead(outgoing.control, abi, head);
    outgoing.control.setInt32(abi.message.cmsgData, fd, true);
  }
  while (
    libc.sendmsg(
      channel,
      outgoing.header,
      abi.MSG_NOSIGNAL | abi.MSG_DONTWAIT,
    ) < 0
  ) {
    const error = errno();
    if (error === EAGAIN) return false;
    if (error !== EINTR) throw new PosixError("sendmsg", error);
  }
  return true;
}

/**
 * Receives one message, and the descriptor that came with it: `recvmsg(2)`. The descriptor is
 * close-on-exec. Level, type, length and truncation are checked; descriptors beyond the first are
 * closed.
 *
 * @param channel A Unix domain socket.
 * @param options `wait`: whether to block until something comes; `size`: at most so many bytes,
 *   which a stream channel needs to keep records apart.
 * @returns What came; "end" when the other end is gone; null when nothing is there (without `wait`).
 * @throws {PosixError} When the system refuses, such as EMFILE.
 * @throws {TypeError} When a message carries control data that is not a descriptor.
 */
export function receiveFd(
  channel: number,
  options: { wait: boolean; size?: number },
): Received | "end" | null {
  incoming.prepare(options.size ?? MAX_DATA, many.space);
  const flags = abi.MSG_CMSG_CLOEXEC | (options.wait ? 0 : abi.MSG_DONTWAIT);
  let count: number;
  while ((count = libc.recvmsg(channel, incoming.header, flags)) < 0) {
    const error = errno();
    if (error === EAGAIN) return null;
    if (errorName(error) === "ECONNRESET") return "end";
    if (error !== EINTR) throw new PosixError("recvmsg", error);
  }
  const fd = takeDescriptor();
  if (count > 0) {
    return {
      data: new DataView(
        incoming.data.buffer,
        incoming.data.byteOffset,
        count,
      ),
      fd,
    };
  }
  fd?.close();
  return "end";
}

function takeDescriptor(): Fd | null {
  if (incoming.receivedControl === 0) return null;
  const { length, level, type } = readControlHead(incoming.control, abi);
  if (
    level !== abi.SOL_SOCKET || type !== abi.SCM_RIGHTS || length < one.length
  ) {
    throw new TypeError(
      `Cannot take control message ${level}/${type}: want a descriptor`,
    );
  }
  const first = new Fd(incoming.control.getInt32(abi.message.cmsgData, true));
  for (let at = abi.message.cmsgData + 4; at + 4 <= length; at += 4) {
    new Fd(incoming.control.getInt32(at, true)).close();
  }
  if (incoming.receivedFlags & abi.MSG_CTRUNC) {
    first.close();
    throw new TypeError(
      "Cannot take a descriptor: its message was cut (MSG_CTRUNC)",
    );
  }
  if (abi.MSG_CMSG_CLOEXEC === 0) setInherit(first.number, false);
  return first;
}
