/**
 * `struct msghdr` with one data buffer and room for control data, built once and used again: the
 * addresses in it are taken while FFI permission still stands, so that a process which has given up
 * every permission can go on sending and receiving. Its lengths are below 2^32 in fields that may have
 * 64 bits: the upper halves are 0 from the start, and numbers are cheaper than bigints.
 *
 * @module
 */
import { type Abi, abi } from "../abi.ts";
import { ceil } from "../intrinsics.ts";
import { scratch, viewOf } from "../scratch.ts";

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
   * Makes one.
   *
   * @param dataSize Bytes of data at most.
   * @param controlSize Bytes of control data at most; 0 for none.
   * @param layout The system's layout; the running one's unless a test asks for another.
   */
  constructor(dataSize: number, controlSize: number, layout: Abi = abi) {
    this.#abi = layout;
    this.data = scratch(dataSize);
    this.view = viewOf(this.data);
    this.control = viewOf(scratch(controlSize));
    this.header = scratch(layout.message.size);
    this.#header = viewOf(this.header);
    this.#lengths = viewOf(this.#iov);
    // Safety: the header holds addresses of `#iov`, `data` and `control`, all fields of this object,
    // whose backing stores V8 never moves; whoever calls C with `header` holds this object.
    this.#lengths.setBigUint64(0, address(this.data), true);
    this.#header.setBigUint64(layout.message.iov, address(this.#iov), true);
    this.#header.setUint32(layout.message.iovLength, 1, true);
    if (controlSize > 0) {
      this.#header.setBigUint64(
        layout.message.control,
        address(this.control),
        true,
      );
    }
  }

  /**
   * Readies the message for one call.
   *
   * @param dataLength How many bytes of `data` to send, or the room to receive into.
   */
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
}

/**
 * One `struct cmsghdr` as it is written and read.
 *
 * @param payload Bytes that the control message carries.
 */
export function controlSizes(
  layout: Abi,
  payload: number,
): { length: number; space: number } {
  const { cmsgData, cmsgAlign } = layout.message;
  const length = cmsgData + payload;
  return { length, space: ceil(length / cmsgAlign) * cmsgAlign };
}

/** Writes the head of a control message. */
export function writeControlHead(
  control: DataView,
  layout: Abi,
  head: { length: number; level: number; type: number },
): void {
  const { cmsgLevel, controlLengthBytes } = layout.message;
  control.setUint32(0, head.length, true);
  if (controlLengthBytes === 8) control.setUint32(4, 0, true);
  control.setInt32(cmsgLevel, head.level, true);
  control.setInt32(cmsgLevel + 4, head.type, true);
}

/** Reads the head of a control message. */
export function readControlHead(
  control: DataView,
  layout: Abi,
  at = 0,
): { length: number; level: number; type: number } {
  const { cmsgLevel } = layout.message;
  return {
    length: control.getUint32(at, true),
    level: control.getInt32(at + cmsgLevel, true),
    type: control.getInt32(at + cmsgLevel + 4, true),
  };
}

/** The address of a buffer. Safety: valid while somebody holds the buffer. */
function address(buffer: ArrayBufferView<ArrayBuffer>): bigint {
  const bytes = new Uint8Array(
    buffer.buffer,
    buffer.byteOffset,
    buffer.byteLength,
  );
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}
