/**
 * Listening sockets that a service manager opened and passed on: socket activation
 * (sd_listen_fds(3)).
 *
 * @module
 */
import { Fd } from "../../posix/fd.ts";
import { kindOf } from "../../posix/net/socket_kind.ts";
import { adoptListener, type Listener, ListenError } from "../listener.ts";
import type { ManagerVariables } from "./variables.ts";

/** The number of the first one, `SD_LISTEN_FDS_START`. */
const FIRST = 3;
/** More than any unit names; the numbers beyond could be anything. */
const MOST = 1024;

/** A descriptor that was passed. */
export interface PassedSocket {
  /** Its number. */
  readonly fd: number;
  /** What its unit calls it (`FileDescriptorName=`); `unknown` without a name. */
  readonly name: string;
}

/**
 * Reads which descriptors were passed.
 *
 * @throws {ListenError} When the variables make no sense.
 */
export function readPassed(
  { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES }: ManagerVariables,
  pid: number,
): PassedSocket[] {
  if (LISTEN_FDS === undefined || LISTEN_PID !== String(pid)) return [];
  const count = /^\d{1,4}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : NaN;
  if (!(count <= MOST)) {
    throw new ListenError(
      `Cannot use LISTEN_FDS="${LISTEN_FDS}": want how many sockets are passed, ${MOST} at most`,
    );
  }
  const names = LISTEN_FDNAMES?.split(":") ?? Array(count).fill("unknown");
  if (count > 0 && names.length !== count) {
    throw new ListenError(
      `Cannot use LISTEN_FDNAMES="${LISTEN_FDNAMES}": it has ${names.length} names for ${count} sockets: want as many`,
    );
  }
  return names.slice(0, count).map((name, i) => ({ fd: FIRST + i, name }));
}

/**
 * Chooses the socket to serve and closes the others, of which the manager keeps copies.
 *
 * @param name The name of the one to serve; undefined when there is but one.
 * @returns The listener, the caller's to close.
 * @throws {ListenError} When it is not clear which, or it cannot be served.
 */
export function openPassed(
  passed: readonly PassedSocket[],
  name: string | undefined,
): Listener {
  const chosen = choose(passed, name);
  const listener = adoptListener(new Fd(chosen.fd));
  for (const { fd } of passed) {
    // What is no socket was not passed, whatever the variables say.
    if (fd !== chosen.fd && kindOf(fd) !== "no socket") new Fd(fd).close();
  }
  return listener;
}

function choose(
  passed: readonly PassedSocket[],
  name: string | undefined,
): PassedSocket {
  const names = passed.map(({ name }) => `"${name}"`).join(", ");
  const fitting = passed.filter((socket) =>
    name === undefined || socket.name === name
  );
  if (fitting.length === 1) return fitting[0]!;
  if (fitting.length === 0) {
    throw new ListenError(
      `Cannot serve a socket named "${name}": those that were passed are named ${names}: give one of them, or FileDescriptorName=${name} in the socket unit`,
    );
  }
  throw new ListenError(
    name === undefined
      ? `Cannot serve ${fitting.length} sockets at a time, named ${names}: choose one with --fd-name`
      : `Cannot choose between ${fitting.length} sockets named "${name}": give each a FileDescriptorName= of its own`,
  );
}
