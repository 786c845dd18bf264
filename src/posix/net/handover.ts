/**
 * The handover: a descriptor travels to another process as ancillary data of a message on a Unix
 * domain socket (`SCM_RIGHTS`, unix(7)). The receiver gets a descriptor of its own for the same
 * open file; the sender's stays open until the sender closes it.
 *
 * `struct msghdr` with one data buffer and room for control data, built once and used again: the
 * addresses in it are taken while FFI permission still stands, so that a process which has given up
 * every permission can go on sending and receiving. Its lengths are below 2^32 in fields that may have
 * 64 bits: the upper halves are 0 from the start, and numbers are cheaper than bigints.
 *
 * @module
 */
import { type Abi, abi, addressOf, scratch, viewOf } from "../abi.ts";
import { errno, errorName, PosixError } from "../errno.ts";
import { Fd, setInherit } from "../fd.ts";
import { ceil, lengthOf, RangeError, SafeView } from "../intrinsics.ts";
import { cLibrary } from "../libc.ts";

interface ControlHead {
  /** Bytes of the head and of what follows it. */
  readonly length: number;
  readonly level: number;
  readonly type: number;
}

/** A reusable message, which lasts as long as the process: its memory is never given back. */
export class Message {
  /** The data that is sent or received. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** The same, for numbers. */
  readonly view: DataView<ArrayBuffer>;
  /** The control data (`cmsghdr` and what it carries). */
  readonly control: DataView<ArrayBuffer>;
  /** The header, as the C functions take it. */
  readonly header: Uint8Array<ArrayBuffer>;
  readonly #header: DataView<ArrayBuffer>;
  readonly #iov = scratch(16); // struct iovec {void *iov_base; size_t iov_len}
  readonly #lengths: DataView<ArrayBuffer>;
  readonly #abi: Abi;

  /**
   * `dataSize`: bytes of data at most. `controlSize`: bytes of control data at most; 0 for none. `layout`: the
   * system's layout; the running one's unless a test asks for another.
   */
  constructor(dataSize: number, controlSize: number, layout: Abi = abi) {
    this.#abi = layout;
    this.data = scratch(dataSize);
    this.view = viewOf(this.data);
    const control = scratch(controlSize);
    this.control = viewOf(control);
    this.header = scratch(layout.message.size);
    this.#header = viewOf(this.header);
    this.#lengths = viewOf(this.#iov);
    // Safety: the header holds addresses of `#iov`, `data` and `control`, all fields of this object,
    // whose backing stores V8 never moves; whoever calls C with `header` holds this object.
    this.#lengths.setBigUint64(0, addressOf(this.data), true);
    this.#header.setBigUint64(layout.message.iov, addressOf(this.#iov), true);
    this.#header.setUint32(layout.message.iovLength, 1, true);
    if (controlSize > 0) {
      this.#header.setBigUint64(
        layout.message.control,
        addressOf(control),
        true,
      );
    }
  }

  /** Readies the message for one call. `dataLength`: how many bytes of `data` to send, or the room to receive into. */
  prepare(dataLength: number, controlLength: number): void {
    const { controlLength: offset, flags } = this.#abi.message;
    this.#lengths.setUint32(8, dataLength, true); // the upper half stays 0
    this.#header.setUint32(offset, controlLength, true);
    this.#header.setInt32(flags, 0, true);
  }

  /** How many bytes of control data the last receive left. */
  get receivedControl(): number {
    return this.#header.getUint32(this.#abi.message.controlLength, true);
  }

  /** The flags of the last receive, such as MSG_CTRUNC. */
  get receivedFlags(): number {
    return this.#header.getInt32(this.#abi.message.flags, true);
  }

  /** Writes the head of the first control message: `struct cmsghdr`. */
  writeHead(head: ControlHead): void {
    const { cmsgLevel, controlLengthBytes } = this.#abi.message;
    this.control.setUint32(0, head.length, true);
    if (controlLengthBytes === 8) this.control.setUint32(4, 0, true);
    this.control.setInt32(cmsgLevel, head.level, true);
    this.control.setInt32(cmsgLevel + 4, head.type, true);
  }

  /** Reads the head of the control message at an offset. */
  readHead(at = 0): ControlHead {
    const { cmsgLevel } = this.#abi.message;
    return {
      length: this.control.getUint32(at, true),
      level: this.control.getInt32(at + cmsgLevel, true),
      type: this.control.getInt32(at + cmsgLevel + 4, true),
    };
  }
}

/** One `struct cmsghdr` as it is written and read. `payload`: bytes that the control message carries. */
export function controlSizes(
  layout: Abi,
  payload: number,
): { length: number; space: number } {
  const { cmsgData, cmsgAlign } = layout.message;
  const length = cmsgData + payload;
  return { length, space: ceil(length / cmsgAlign) * cmsgAlign };
}

const libc = cLibrary("recvmsg", "sendmsg");

/** Bytes of data that may travel beside the descriptor. */
export const MAX_DATA = 512;

/** More messages than a Unix domain socket holds: who reads so many has read all that was there at first. */
export const MOST_QUEUED = 512;
/** Descriptors in one message at most: `SCM_MAX_FD` of net/scm.h. */
const MOST_DESCRIPTORS = 253;
/** `struct ucred` {pid_t pid; uid_t uid; gid_t gid}. */
const UCRED_SIZE = 12;
const one = controlSizes(abi, 4);
// Room for more descriptors than the one that we expect: each must arrive here to be closed.
const few = controlSizes(abi, 4 * 8);
const outgoing = new Message(MAX_DATA, one.space);
const incoming = new Message(MAX_DATA, few.space);
/** With room for all that can come; only a process that reads what strangers send needs it. */
let spacious: { readonly message: Message; readonly room: number } | undefined;
const { EINTR, EAGAIN } = abi.errno;

/** A message from a channel. Garbage, which no process of ours sends, appears as a message without data. */
interface Received {
  /** The data, valid until the next receive; empty for garbage. */
  readonly data: DataView<ArrayBuffer>;
  /** The descriptor that came along, the receiver's to close; null when none did. */
  readonly fd: Fd | null;
  /** The sender's process id from the kernel if `askCredentials` requested it; otherwise 0. */
  readonly pid: number;
}

/**
 * Sends data, and a descriptor with it, without blocking: `sendmsg(2)`. `data`: at least one byte, at most
 * {@linkcode MAX_DATA}. `fd`: the descriptor to send, borrowed; null sends the data alone. Returns whether it went;
 * false when the channel is full. Throws `RangeError` when the data has the wrong size. Throws `PosixError`: EPIPE or
 * ECONNRESET when the other end is gone; ETOOMANYREFS when too many descriptors of this user are in flight.
 */
export function sendFd(
  channel: number,
  data: Uint8Array,
  fd: number | null,
): boolean {
  const length = lengthOf(data);
  if (length < 1 || length > MAX_DATA) {
    throw new RangeError(
      `Cannot send ${length} bytes with a descriptor: 1 to ${MAX_DATA}`,
    );
  }
  outgoing.data.set(data);
  outgoing.prepare(length, fd === null ? 0 : one.space);
  if (fd !== null) {
    const head = {
      length: one.length,
      level: abi.SOL_SOCKET,
      type: abi.SCM_RIGHTS,
    };
    outgoing.writeHead(head);
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
 * Receives one message, and the descriptor that came with it: `recvmsg(2)`. The descriptor is close-on-exec. Level,
 * type, length and truncation are checked; of garbage nothing stays open. `options`: `wait`: whether to block until
 * something comes; `size`: at most so many bytes, which a stream channel needs to keep records apart. Returns what
 * came; "end" when the other end is gone; null when nothing is there (without `wait`). Garbage is what was cut, or
 * has more than one descriptor or other control data. Throws `PosixError` when the system refuses.
 */
export function receiveFd(
  channel: number,
  options: { wait: boolean; size?: number },
): Received | "end" | null {
  return receive(channel, options, incoming, few.space);
}

/**
 * As {@linkcode receiveFd}, without waiting, from whoever may have been broken into: whatever comes, with as many
 * descriptors as one message can have, is looked at and closed. `size`: at most so many bytes. Throws `PosixError`
 * when the system refuses, never because of what came.
 */
export function receiveUntrusted(
  channel: number,
  size: number = MAX_DATA,
): Received | "end" | null {
  if (!spacious) {
    const room = controlSizes(abi, UCRED_SIZE).space +
      controlSizes(abi, 4 * MOST_DESCRIPTORS).space;
    spacious = { message: new Message(MAX_DATA, room), room };
  }
  const { message, room } = spacious;
  return receive(channel, { wait: false, size }, message, room);
}

function receive(
  channel: number,
  { wait, size = MAX_DATA }: { wait: boolean; size?: number },
  message: Message,
  room: number,
): Received | "end" | null {
  message.prepare(size, room);
  const flags = abi.MSG_CMSG_CLOEXEC | (wait ? 0 : abi.MSG_DONTWAIT);
  let count: number, isReset = false;
  while ((count = libc.recvmsg(channel, message.header, flags)) < 0) {
    const error = errno();
    if (error === EAGAIN) return null;
    if (errorName(error) === "ECONNRESET") {
      // The other end went away without having read all. What it said itself comes after this error.
      if (isReset) return "end";
      isReset = true;
    } else if (error !== EINTR) throw new PosixError("recvmsg", error);
  }
  const { fd, pid, isGarbage } = takeControl(message);
  // An empty message looks like the end, but for what the kernel says beside it.
  if (count === 0 && message.receivedControl === 0) return "end";
  const isCut = message.receivedFlags & (abi.MSG_CTRUNC | abi.MSG_TRUNC);
  const { buffer, byteOffset } = message.data;
  if (isGarbage || isCut || count === 0) {
    fd?.close();
    return { data: new SafeView(buffer, byteOffset, 0), fd: null, pid };
  }
  return { data: new SafeView(buffer, byteOffset, count), fd, pid };
}

function takeControl(
  message: Message,
): { fd: Fd | null; pid: number; isGarbage: boolean } {
  const total = message.receivedControl;
  const { cmsgData, cmsgAlign } = abi.message;
  let fd: Fd | null = null, pid = 0, isGarbage = false;
  for (let at = 0; at + cmsgData <= total;) {
    const { length, level, type } = message.readHead(at);
    if (length < cmsgData || at + length > total) {
      isGarbage = true;
      break;
    }
    if (level === abi.SOL_SOCKET && type === abi.SCM_RIGHTS) {
      for (let from = cmsgData; from + 4 <= length; from += 4) {
        const next = new Fd(message.control.getInt32(at + from, true));
        if (fd === null) fd = next;
        else {
          isGarbage = true;
          next.close();
        }
      }
    } else if (level === abi.SOL_SOCKET && type === abi.SCM_CREDENTIALS) {
      pid = message.control.getInt32(at + cmsgData, true);
    } else isGarbage = true;
    at += ceil(length / cmsgAlign) * cmsgAlign;
  }
  if (abi.MSG_CMSG_CLOEXEC === 0 && fd) setInherit(fd.number, false);
  return { fd, pid, isGarbage };
}
