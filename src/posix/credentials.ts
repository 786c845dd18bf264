/**
 * Messages with the sender's process id, which the kernel vouches for: `SO_PASSCRED` and
 * `SCM_CREDENTIALS` (unix(7), Linux). Many processes share one report socket: this says which of
 * them speaks.
 *
 * @module
 */
import { abi } from "./abi.ts";
import { check, errno, errorName, PosixError } from "./errno.ts";
import { cLibrary } from "./libc.ts";
import { controlSizes, Message, readControlHead } from "./message.ts";

const libc = cLibrary("getpeereid", "getsockopt", "recvmsg", "setsockopt");

const SO_PASSCRED = 16; // asm-generic/socket.h
const SCM_CREDENTIALS = 2; // bits/socket.h
const UCRED_SIZE = 12; // struct ucred {pid_t pid; uid_t uid; gid_t gid}
const MAX_DATA = 512;

// Room for the credentials and nothing else: the kernel puts them first, and does not install
// descriptors that somebody may have sent along when there is no room left for them.
const sizes = controlSizes(abi, UCRED_SIZE);
const incoming = new Message(MAX_DATA, sizes.space);

/** A message and who sent it. */
export interface Attributed {
  /** The data, valid until the next receive. */
  readonly data: DataView<ArrayBuffer>;
  /** The sender, as a process id of this process's namespace. */
  readonly pid: number;
}

/**
 * Asks the kernel to say who sends, on a socket that messages will be received from.
 *
 * @param fd A Unix domain socket.
 * @throws {PosixError} When the system refuses.
 */
export function askCredentials(fd: number): void {
  const on = new Uint8Array(new Int32Array([1]).buffer);
  check(libc.setsockopt(fd, abi.SOL_SOCKET, SO_PASSCRED, on, 4), "setsockopt");
}

/**
 * Receives one message without waiting.
 *
 * @param fd A socket of {@linkcode askCredentials}.
 * @returns The message; "end" when every sender is gone; null when nothing is there.
 * @throws {PosixError} When the system refuses.
 */
export function receiveAttributed(fd: number): Attributed | "end" | null {
  incoming.prepare(MAX_DATA, sizes.space);
  let count: number;
  const flags = abi.MSG_CMSG_CLOEXEC | abi.MSG_DONTWAIT;
  while ((count = libc.recvmsg(fd, incoming.header, flags)) < 0) {
    const name = errorName(errno());
    if (name === "EAGAIN") return null;
    if (name === "ECONNRESET") return "end";
    if (name !== "EINTR") throw new PosixError("recvmsg", errno());
  }
  if (count === 0) return "end";
  const { level, type } = readControlHead(incoming.control, abi);
  const vouched = incoming.receivedControl >= sizes.length &&
    level === abi.SOL_SOCKET &&
    type === SCM_CREDENTIALS;
  const pid = vouched
    ? incoming.control.getInt32(abi.message.cmsgData, true)
    : 0;
  return {
    data: new DataView(
      incoming.data.buffer,
      incoming.data.byteOffset,
      count,
    ),
    pid,
  };
}

/** Who connected to a Unix domain socket. */
export interface Peer {
  /** Its process id. */
  readonly pid: number;
  /** Its effective user id. */
  readonly uid: number;
  /** Its effective group id. */
  readonly gid: number;
}

/**
 * Who is at the other end, as the kernel noted it when the connection was made: `SO_PEERCRED`.
 *
 * @param fd A connected Unix domain socket.
 * @returns Who; null where the system does not say.
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
 * As whom the process at the other end acted when the connection was made: `SO_PEERCRED`, or
 * `getpeereid(3)` on macOS.
 *
 * @param fd A connected Unix domain socket.
 * @returns The user id; null where the system does not say.
 */
export function peerUser(fd: number): number | null {
  if (!libc.getpeereid) return peerOf(fd)?.uid ?? null;
  const uid = new Uint32Array(1), gid = new Uint32Array(1);
  const [uidBytes, gidBytes] = [uid, gid].map(({ buffer }) =>
    new Uint8Array(buffer)
  );
  return libc.getpeereid(fd, uidBytes!, gidBytes!) < 0 ? null : uid[0]!;
}
