/**
 * `struct msghdr` with one data buffer and room for control data, built once and used again: the
 * addresses in it are taken while FFI permission still stands, so that a process which has given up
 * every permission can go on sending and receiving.
 *
 * @module
 */
import { type Abi, abi } from "./abi.ts";

/** A reusable message. Its arrays live as long as it does, so the addresses in it stay valid. */
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
  readonly #iov = new BigUint64Array(2);
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
    this.data = new Uint8Array(dataSize);
    this.view = new DataView(this.data.buffer);
    this.control = new DataView(new ArrayBuffer(controlSize));
    this.header = new Uint8Array(layout.message.size);
    this.#header = new DataView(this.header.buffer);
    // Safety: the header holds addresses of `#iov`, `data` and `control`, all fields of this object,
    // whose backing stores V8 never moves; whoever calls C with `header` holds this object.
    this.#iov[0] = address(this.data);
    this.#header.setBigUint64(layout.message.iov, address(this.#iov), true);
    this.#setLength(layout.message.iovLength, layout.message.iovLengthBytes, 1);
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
   * @param controlLength The same for `control`.
   */
  prepare(dataLength: number, controlLength: number): void {
    const { controlLength: offset, controlLengthBytes, flags } =
      this.#abi.message;
    this.#iov[1] = BigInt(dataLength);
    this.#setLength(offset, controlLengthBytes, controlLength);
    this.#header.setInt32(flags, 0, true);
  }

  /** How many bytes of control data the last receive left. */
  get receivedControl(): number {
    const { controlLength, controlLengthBytes } = this.#abi.message;
    return controlLengthBytes === 8
      ? Number(this.#header.getBigUint64(controlLength, true))
      : this.#header.getUint32(controlLength, true);
  }

  /** The flags of the last receive, such as MSG_CTRUNC. */
  get receivedFlags(): number {
    return this.#header.getInt32(this.#abi.message.flags, true);
  }

  #setLength(offset: number, width: 4 | 8, length: number): void {
    if (width === 8) this.#header.setBigUint64(offset, BigInt(length), true);
    else this.#header.setUint32(offset, length, true);
  }
}

/**
 * One `struct cmsghdr` as it is written and read.
 *
 * @param layout The system's layout.
 * @param payload Bytes that the control message carries.
 * @returns `CMSG_LEN(payload)` and `CMSG_SPACE(payload)`.
 */
export function controlSizes(
  layout: Abi,
  payload: number,
): { length: number; space: number } {
  const { cmsgData, cmsgAlign } = layout.message;
  const length = cmsgData + payload;
  return { length, space: Math.ceil(length / cmsgAlign) * cmsgAlign };
}

/**
 * Writes the head of a control message.
 *
 * @param control Where it starts.
 * @param layout The system's layout.
 * @param head Its length (`CMSG_LEN`), level and type.
 */
export function writeControlHead(
  control: DataView,
  layout: Abi,
  head: { length: number; level: number; type: number },
): void {
  const { cmsgLevel, controlLengthBytes } = layout.message;
  if (controlLengthBytes === 8) {
    control.setBigUint64(0, BigInt(head.length), true);
  } else control.setUint32(0, head.length, true);
  control.setInt32(cmsgLevel, head.level, true);
  control.setInt32(cmsgLevel + 4, head.type, true);
}

/**
 * Reads the head of a control message.
 *
 * @param control The control data.
 * @param layout The system's layout.
 * @returns Its length (`CMSG_LEN`), level and type.
 */
export function readControlHead(
  control: DataView,
  layout: Abi,
): { length: number; level: number; type: number } {
  const { cmsgLevel, controlLengthBytes } = layout.message;
  return {
    length: controlLengthBytes === 8
      ? Number(control.getBigUint64(0, true))
      : control.getUint32(0, true),
    level: control.getInt32(cmsgLevel, true),
    type: control.getInt32(cmsgLevel + 4, true),
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
