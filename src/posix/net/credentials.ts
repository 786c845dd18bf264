/**
 * Identifies the process at the other end of a Unix domain socket, as the kernel knows it: for a message
 * (`SO_PASSCRED` and `SCM_CREDENTIALS`, unix(7), Linux), since many processes may share one end, or of a
 * connection.
 *
 * @module
 */
import { abi } from "../abi.ts";
import { check } from "../errno.ts";
import { cLibrary } from "../libc.ts";

const libc = cLibrary("getpeereid", "getsockopt", "setsockopt");

const SO_PASSCRED = 16; // asm-generic/socket.h
const UCRED_SIZE = 12; // struct ucred {pid_t pid; uid_t uid; gid_t gid}

/**
 * Asks the kernel to say who sends, on a socket that messages will be received from. Does nothing where the system
 * cannot. Throws `PosixError` when the system refuses.
 */
export function askCredentials(fd: number): void {
  if (Deno.build.os !== "linux") return;
  const on = new Uint8Array(new Int32Array([1]).buffer);
  check(libc.setsockopt(fd, abi.SOL_SOCKET, SO_PASSCRED, on, 4), "setsockopt");
}

/** The process that connected to a Unix domain socket. */
interface Peer {
  /** Its process id. */
  readonly pid: number;
  /** Its effective user id. */
  readonly uid: number;
  /** Its effective group id. */
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
