/**
 * Sockets that this process opens itself, without Deno: connections to others, and one that sends datagrams.
 *
 * @module
 */
import { abi } from "../abi.ts";
import { check, errno, errorName, PosixError } from "../errno.ts";
import { Fd, setInherit, setNonblocking } from "../fd.ts";
import { cLibrary } from "../libc.ts";
import { type Address, encodeAddress, encodeUnixAddress } from "./address.ts";
import { setOption } from "./sockets.ts";

const { AF_UNIX, SOCK_DGRAM, SOCK_STREAM } = abi;

const libc = cLibrary("bind", "connect", "sendto", "socket");

const IPPROTO_IP = 0; // netinet/in.h
const IP_BIND_ADDRESS_NO_PORT = 24; // linux/in.h

/**
 * Starts to connect: `socket(2)`, `connect(2)`. Writing returns -1 until the connection stands, and throws what stood
 * in its way. `to`: where to: `struct sockaddr`, as `encodeAddress` gives it. `from`: the address of this end, with
 * port 0 for any; null lets the system choose. Connections from several addresses of this machine have more ports
 * among them than from one (Linux). Returns the socket, non-blocking and close-on-exec, the caller's to close. Throws
 * `PosixError`: EMFILE, ECONNREFUSED, EADDRNOTAVAIL and others.
 */
export function dial(
  to: Uint8Array<ArrayBuffer>,
  from: Uint8Array<ArrayBuffer> | null = null,
): Fd {
  const family = abi.sockaddrHasLength ? to[1]! : to[0]!;
  const socket = new Fd(check(libc.socket(family, socketType(), 0), "socket"));
  try {
    if (abi.SOCK_CLOEXEC === 0) prepare(socket.number);
    if (from !== null) bindTo(socket.number, from);
    if (libc.connect(socket.number, to, to.length) < 0) {
      const error = errno();
      // After EINTR the connection goes on to be made, as after EINPROGRESS: connect(2).
      if (!["EINPROGRESS", "EINTR"].includes(errorName(error))) {
        throw new PosixError("connect", error);
      }
    }
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Whether an address is one of this machine: whether `bind(2)` takes it. */
export function isLocal(address: Address): boolean {
  if ("path" in address) return true;
  const bytes = encodeAddress({ ...address, port: 0 });
  const family = abi.sockaddrHasLength ? bytes[1]! : bytes[0]!;
  using socket = new Fd(check(libc.socket(family, SOCK_STREAM, 0), "socket"));
  return libc.bind(socket.number, bytes, bytes.length) === 0;
}

/** On Linux the flags of a new socket have the values of the flags of files: bits/socket_type.h. */
function socketType(): number {
  return abi.SOCK_CLOEXEC === 0
    ? SOCK_STREAM
    : SOCK_STREAM | abi.SOCK_CLOEXEC | abi.O_NONBLOCK;
}

function prepare(socket: number): void {
  setInherit(socket, false);
  setNonblocking(socket, true);
  if (abi.SO_NOSIGPIPE) setOption(socket, abi.SO_NOSIGPIPE, 1);
}

/** The port is chosen by connect(2), which may use one again that is taken for another destination. */
function bindTo(socket: number, from: Uint8Array<ArrayBuffer>): void {
  if (Deno.build.os === "linux") {
    setOption(socket, IP_BIND_ADDRESS_NO_PORT, 1, IPPROTO_IP);
  }
  check(libc.bind(socket, from, from.length), "bind");
}

/** Sends to one address, each datagram whole or not at all, and never waits. */
export class DatagramSender implements Disposable {
  readonly #fd: Fd;
  readonly #address: Uint8Array<ArrayBuffer>;

  /** Throws `PosixError` when descriptors run out. */
  constructor(name: string) {
    const bytes = new TextEncoder().encode(name);
    if (name.startsWith("@")) bytes[0] = 0;
    this.#address = encodeUnixAddress(bytes);
    const type = SOCK_DGRAM | abi.SOCK_CLOEXEC;
    this.#fd = new Fd(check(libc.socket(AF_UNIX, type, 0), "socket"));
    if (abi.SOCK_CLOEXEC === 0) setInherit(this.#fd.number, false);
  }

  /**
   * Sends a datagram, `sendto(2)`. Throws `PosixError`: ENOENT or ECONNREFUSED when nobody is there, EAGAIN when the
   * receiver has no room.
   */
  send(bytes: Uint8Array<ArrayBuffer>): void {
    const flags = abi.MSG_DONTWAIT | abi.MSG_NOSIGNAL;
    const to = this.#address;
    check(
      libc.sendto(this.#fd.number, bytes, bytes.length, flags, to, to.length),
      "sendto",
    );
  }

  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
