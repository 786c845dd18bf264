/**
 * What a descriptor is, to who got it from elsewhere.
 *
 * @module
 */
import { abi, SOCK_STREAM } from "../abi.ts";
import { option } from "./sockets.ts";

/** A socket that listens for connections that are streams of bytes; or what it is instead. */
export type SocketKind =
  | "listener"
  | "connection"
  | "other socket"
  | "no socket";

/** Looks at a descriptor: SO_TYPE, SO_ACCEPTCONN (socket(7)). */
export function kindOf(fd: number): SocketKind {
  const type = option(fd, abi.SO_TYPE);
  if (type < 0) return "no socket";
  if (type !== SOCK_STREAM) return "other socket";
  return option(fd, abi.SO_ACCEPTCONN) === 1 ? "listener" : "connection";
}
