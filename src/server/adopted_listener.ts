/**
 * A listener from a descriptor that another process opened, which may still have it.
 *
 * @module
 */
import { type Fd, setInherit, setNonblocking } from "../posix/fd.ts";
import { kindOf, type SocketKind } from "../posix/socket_kind.ts";
import { localAddress } from "../posix/sockets.ts";
import { type Listener, ListenError } from "./listener.ts";

/** What a descriptor is that does not listen, and what a socket unit has to say instead. */
const WRONG: Readonly<Record<Exclude<SocketKind, "listener">, string>> = {
  "connection": "it is a socket that does not listen: set Accept=no",
  "other socket": "it is no socket of streams: use ListenStream=",
  "no socket": "it is no socket: use ListenStream=",
};

/**
 * Makes it a listener. Its backlog is as who opened it wants it; its file, if it is a Unix domain
 * socket, is theirs to remove.
 *
 * @param fd The descriptor, from here on the listener's; closed when this throws.
 * @returns The listener, the caller's to close.
 * @throws {ListenError} When connections cannot be accepted from it.
 */
export function adoptListener(fd: Fd): Listener {
  const { number } = fd;
  const kind = kindOf(number);
  if (kind !== "listener") {
    fd.close();
    throw new ListenError(`Cannot serve descriptor ${number}: ${WRONG[kind]}`);
  }
  setInherit(number, false); // it comes without close-on-exec: no child may have it
  setNonblocking(number, true);
  // Only closed, never shut down: that would end it in every process that has it.
  const close = () => fd.close();
  return {
    fd: number,
    address: localAddress(number),
    isShared: true,
    isManaged: true,
    close,
    [Symbol.dispose]: close,
  };
}
