/**
 * Sending datagrams to a Unix domain socket.
 *
 * @module
 */
import { abi, AF_UNIX, SOCK_DGRAM } from "../abi.ts";
import { encodeUnixAddress } from "./address.ts";
import { check } from "../errno.ts";
import { Fd, setInherit } from "../fd.ts";
import { cLibrary } from "../libc.ts";

const libc = cLibrary("sendto", "socket");

/** Sends to one address, each datagram whole or not at all, and never waits. */
export class DatagramSender implements Disposable {
  readonly #fd: Fd;
  readonly #address: Uint8Array<ArrayBuffer>;

  /**
   * Makes one.
   *
   * @throws {PosixError} When descriptors run out.
   */
  constructor(name: string) {
    const bytes = new TextEncoder().encode(name);
    if (name.startsWith("@")) bytes[0] = 0;
    this.#address = encodeUnixAddress(bytes);
    const type = SOCK_DGRAM | abi.SOCK_CLOEXEC;
    this.#fd = new Fd(check(libc.socket(AF_UNIX, type, 0), "socket"));
    if (abi.SOCK_CLOEXEC === 0) setInherit(this.#fd.number, false);
  }

  /**
   * Sends a datagram, `sendto(2)`.
   *
   * @throws {PosixError} ENOENT or ECONNREFUSED when nobody is there, EAGAIN when the receiver has no
   *   room.
   */
  send(bytes: Uint8Array<ArrayBuffer>): void {
    const flags = abi.MSG_DONTWAIT | abi.MSG_NOSIGNAL;
    const to = this.#address;
    check(
      libc.sendto(this.#fd.number, bytes, bytes.length, flags, to, to.length),
      "sendto",
    );
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
