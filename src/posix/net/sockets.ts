/**
 * Sockets by descriptor: what `Deno.listen` and `Deno.connect` cannot do, since their connections
 * have no public descriptor and closing one shuts the socket down for every process that has it.
 * And the process at the other end of a Unix domain socket, as the kernel knows it.
 *
 * @module
 */
import { type Abi, abi } from "../abi.ts";
import {
  type Address,
  decodeAddress,
  MAX_ADDRESS,
  nameZone,
  zoneIndex,
  zoneName,
} from "./address.ts";
import { check, errno, errorName, PosixError } from "../errno.ts";
import { Fd, setInherit, setNonblocking } from "../fd.ts";
import {
  BigInt,
  decode,
  floor,
  lengthOf,
  min,
  SafeBytes,
  SafeView,
} from "../intrinsics.ts";
import { cLibrary } from "../libc.ts";

const { AF_UNIX, SHUT_RDWR, SHUT_WR } = abi;

const libc = cLibrary(
  "accept",
  "accept4",
  "getpeereid",
  "getpeername",
  "getsockname",
  "getsockopt",
  "if_indextoname",
  "listen",
  "setsockopt",
  "shutdown",
  "socketpair",
);

const IPPROTO_TCP = 6; // netinet/in.h
const TCP_NODELAY = 1; // netinet/tcp.h

const SO_PASSCRED = 16; // asm-generic/socket.h
const UCRED_SIZE = 12; // struct ucred {pid_t pid; uid_t uid; gid_t gid}

const IF_NAMESIZE = 16; // net/if.h
const addressBytes = new SafeBytes(MAX_ADDRESS);
const length = new Uint32Array(1);
const lengthBytes = new Uint8Array(length.buffer);
const value = new Int32Array(1);
const valueBytes = new Uint8Array(value.buffer);
const timeval = new SafeView(new ArrayBuffer(16)); // {time_t tv_sec; suseconds_t tv_usec}
const timevalBytes = new Uint8Array(timeval.buffer);

/**
 * A pair of connected Unix domain sockets that keeps message boundaries where the system can (`SOCK_SEQPACKET` on
 * Linux), both ends close-on-exec: `socketpair(2)`. `type`: the socket type; the one for channels unless said
 * otherwise. Returns both ends, the caller's to close. Throws `PosixError`: EMFILE or ENFILE when descriptors run out.
 */
export function socketPair(type: number = abi.CHANNEL_TYPE): [Fd, Fd] {
  const ends = new Int32Array(2);
  check(
    libc.socketpair(
      AF_UNIX,
      type | abi.SOCK_CLOEXEC,
      0,
      new Uint8Array(ends.buffer),
    ),
    "socketpair",
  );
  const pair: [Fd, Fd] = [new Fd(ends[0]!), new Fd(ends[1]!)];
  for (const { number } of pair) {
    if (abi.SOCK_CLOEXEC === 0) setInherit(number, false);
    if (abi.SO_NOSIGPIPE) setOption(number, abi.SO_NOSIGPIPE, 1);
  }
  return pair;
}

/** A connection as the listener gives it. */
export interface Accepted {
  /** The connection, close-on-exec and blocking; the caller's to close. */
  readonly fd: Fd;
  /** The peer's `struct sockaddr`, with its zone named if it has one, for {@linkcode decodeAddress}. */
  readonly peer: Uint8Array<ArrayBuffer>;
}

/**
 * Takes one connection off the backlog: `accept4(2)`. Returns the connection; null when the backlog is empty. Throws
 * `PosixError`: EMFILE, ENFILE, ENOBUFS, ENOMEM when the system has no room; ECONNABORTED when the peer gave up while
 * it waited.
 */
export function accept(listener: number): Accepted | null {
  let fd: number;
  for (;;) {
    length[0] = MAX_ADDRESS;
    fd = libc.accept4
      ? libc.accept4(listener, addressBytes, lengthBytes, abi.SOCK_CLOEXEC)
      : libc.accept(listener, addressBytes, lengthBytes);
    if (fd >= 0) break;
    const name = errorName(errno());
    if (name === "EAGAIN") return null;
    if (name !== "EINTR") {
      throw new PosixError("accept4", abi.errno[name] ?? errno());
    }
  }
  const owned = new Fd(fd);
  if (!libc.accept4) { // 4.4BSD: the connection inherits O_NONBLOCK, but not close-on-exec
    setInherit(fd, false);
    setNonblocking(fd, false);
  }
  if (abi.SO_NOSIGPIPE) setOption(fd, abi.SO_NOSIGPIPE, 1);
  return {
    fd: owned,
    peer: withZone(addressBytes.slice(0, min(length[0]!, MAX_ADDRESS))),
  };
}

/**
 * Whether a descriptor is a listening socket: SO_ACCEPTCONN (socket(7)). `layout`: the system's table; the running
 * one's unless a test asks for another. Where the system does not tell, a socket without a peer counts as one.
 */
export function isListening(fd: number, layout: Abi = abi): boolean {
  if (layout.SO_ACCEPTCONN) return option(fd, layout.SO_ACCEPTCONN) === 1;
  return ownAddress(fd) !== null && peerAddress(fd) === null;
}

/**
 * The address of this end, `getsockname(2)`. `peer`: the peer's `struct sockaddr`, whose zone a process goes by that
 * may not ask for names; undefined to ask the system. Throws `PosixError` when it is no socket.
 */
export function localAddress(fd: number, peer?: Uint8Array): Address {
  const bytes = addressBytesBy(libc.getsockname, fd);
  if (bytes === null) throw new PosixError("getsockname", errno());
  return decodeAddress(withZone(bytes, peer));
}

/**
 * Names the zone of a link-local address. `bytes`: `struct sockaddr`. `known`: an address whose name of the same zone
 * is taken; undefined to ask the system.
 */
export function withZone(
  bytes: Uint8Array<ArrayBuffer>,
  known?: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const index = zoneIndex(bytes);
  if (index === 0) return bytes;
  if (known === undefined) return nameZone(bytes, interfaceName(index));
  return zoneIndex(known) === index ? nameZone(bytes, zoneName(known)) : bytes;
}

/** An interface's name by its number, if_indextoname(3); empty when there is none. */
function interfaceName(index: number): string {
  const name = new SafeBytes(IF_NAMESIZE);
  if (libc.if_indextoname(index, name) === null) return "";
  return decode(name.subarray(0, name.indexOf(0)));
}

/**
 * The address of this end, `getsockname(2)`, of what may be no socket. Returns the address; null when the descriptor
 * is no socket.
 */
export function ownAddress(fd: number): Address | null {
  return addressBy(libc.getsockname, fd);
}

/**
 * The address of the other end, `getpeername(2)`. Returns the address; null when the descriptor is no connected
 * socket.
 */
export function peerAddress(fd: number): Address | null {
  return addressBy(libc.getpeername, fd);
}

/**
 * Changes how many connections may wait in a listener's backlog: `listen(2)` again. Throws `PosixError` when the
 * system refuses.
 */
export function setBacklog(listener: number, backlog: number): void {
  check(libc.listen(listener, backlog), "listen");
}

/**
 * Ends this side of a connection: the peer reads to its end of file. `shutdown(2)` SHUT_WR. Throws `PosixError`:
 * ENOTCONN when the connection is gone.
 */
export function shutdownWrite(fd: number): void {
  check(libc.shutdown(fd, SHUT_WR), "shutdown");
}

/** As {@linkcode shutdownWrite}, where the connection may be gone already. */
export function endWriting(fd: number): void {
  libc.shutdown(fd, SHUT_WR);
}

/** Ends both sides of a connection, and wakes whoever waits for it: `shutdown(2)` SHUT_RDWR. */
export function shutdownBoth(fd: number): void {
  libc.shutdown(fd, SHUT_RDWR);
}

/**
 * Lets blocking reads and writes give up after a while: SO_RCVTIMEO, SO_SNDTIMEO (socket(7)). `milliseconds`: how
 * long one call may wait; 0 waits forever. Throws `PosixError` when the system refuses.
 */
export function setTimeouts(fd: number, milliseconds: number): void {
  setReceiveTimeout(fd, milliseconds);
  setTimeOption(fd, abi.SO_SNDTIMEO, milliseconds);
}

/**
 * Lets blocking reads give up after a while: SO_RCVTIMEO (socket(7)). `milliseconds`: how long one call may wait; 0
 * waits forever. Throws `PosixError` when the system refuses.
 */
export function setReceiveTimeout(fd: number, milliseconds: number): void {
  setTimeOption(fd, abi.SO_RCVTIMEO, milliseconds);
}

function setTimeOption(fd: number, name: number, milliseconds: number): void {
  timeval.setBigInt64(0, BigInt(floor(milliseconds / 1000)), true);
  timeval.setInt32(8, (milliseconds % 1000) * 1000, true);
  const size = lengthOf(timevalBytes);
  checkOption(libc.setsockopt(fd, abi.SOL_SOCKET, name, timevalBytes, size));
}

/**
 * XNU takes no option for a socket both of whose sides are shut, such as a connection that its client reset before it
 * was accepted: EINVAL (sosetoptlock() in bsd/kern/uipc_socket.c). None matters for it any more.
 */
function checkOption(result: number): void {
  const isShut = result < 0 && abi.SO_NOSIGPIPE !== 0 &&
    errno() === abi.errno.EINVAL;
  if (!isShut) check(result, "setsockopt");
}

/**
 * Sets a socket option that is an `int`, `setsockopt(2)`. `level`: whose option it is; the socket's own unless said
 * otherwise. Throws `PosixError` when the system refuses.
 */
export function setOption(
  fd: number,
  name: number,
  wanted: number,
  level: number = abi.SOL_SOCKET,
): void {
  value[0] = wanted;
  checkOption(libc.setsockopt(fd, level, name, valueBytes, 4));
}

/**
 * Whether small messages are sent at once, even if the last one is not acknowledged yet: TCP_NODELAY, tcp(7). What a
 * listener is set to, its connections have from the start. Throws `PosixError` when it is none.
 */
export function setNoDelay(socket: number, wanted: boolean = true): void {
  setOption(socket, TCP_NODELAY, wanted ? 1 : 0, IPPROTO_TCP);
}

/**
 * Whether a silent peer is asked now and then if it is still there: SO_KEEPALIVE, socket(7). Throws `PosixError` when
 * the system refuses.
 */
export function setKeepAlive(socket: number, wanted: boolean): void {
  setOption(socket, abi.SO_KEEPALIVE, wanted ? 1 : 0);
}

/** Reads a socket option that is an `int`, `getsockopt(2)` SOL_SOCKET. */
export function option(fd: number, name: number): number {
  length[0] = 4;
  return libc.getsockopt(fd, abi.SOL_SOCKET, name, valueBytes, lengthBytes) < 0
    ? -1
    : value[0]!;
}

/**
 * Asks the kernel to say who sends each message, since many processes may share one end: `SO_PASSCRED` and
 * `SCM_CREDENTIALS`, unix(7). Does nothing where the system cannot. Throws `PosixError` when it refuses.
 */
export function askCredentials(fd: number): void {
  if (Deno.build.os === "linux") setOption(fd, SO_PASSCRED, 1);
}

/** The process that connected to a Unix domain socket. */
interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The process at the other end, as the kernel noted it at the connect: `SO_PEERCRED`. Returns who; null where the
 * system does not say.
 */
export function peerOf(fd: number): Peer | null {
  const ucred = new Uint32Array(3);
  const length = new Uint8Array(new Uint32Array([UCRED_SIZE]).buffer);
  const bytes = new Uint8Array(ucred.buffer);
  if (
    abi.SO_PEERCRED === 0 ||
    libc.getsockopt(fd, abi.SOL_SOCKET, abi.SO_PEERCRED, bytes, length) < 0
  ) return null;
  return { pid: ucred[0]!, uid: ucred[1]!, gid: ucred[2]! };
}

/**
 * As whom the process at the other end acted when the connection was made: `SO_PEERCRED`, or `getpeereid(3)` on
 * macOS. Returns the user id; null where the system does not say.
 */
export function peerUser(fd: number): number | null {
  if (!libc.getpeereid) return peerOf(fd)?.uid ?? null;
  const uid = new Uint32Array(1), gid = new Uint32Array(1);
  const [uidBytes, gidBytes] = [uid, gid].map(({ buffer }) =>
    new Uint8Array(buffer)
  );
  return libc.getpeereid(fd, uidBytes!, gidBytes!) < 0 ? null : uid[0]!;
}

function addressBy(call: typeof libc.getsockname, fd: number): Address | null {
  const bytes = addressBytesBy(call, fd);
  return bytes === null ? null : decodeAddress(bytes);
}

/** Valid until the next call. */
function addressBytesBy(
  call: typeof libc.getsockname,
  fd: number,
): Uint8Array<ArrayBuffer> | null {
  length[0] = MAX_ADDRESS;
  if (call(fd, addressBytes, lengthBytes) < 0) return null;
  return addressBytes.subarray(0, min(length[0]!, MAX_ADDRESS));
}
