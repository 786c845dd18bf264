/**
 * The listener: binding, and its errors.
 *
 * @module
 */
import { abi } from "../posix/abi.ts";
import { type Fd, putOver, setInherit, setNonblocking } from "../posix/fd.ts";
import { formatAddress } from "../posix/net/address.ts";
import { findListener } from "../posix/net/runtime_sockets.ts";
import {
  localAddress,
  option,
  setBacklog,
  shutdownBoth,
  socketPair,
} from "../posix/net/sockets.ts";

/** The kind of a socket: a stream listener, or something else. */
type SocketKind =
  | "listener"
  | "connection"
  | "other socket"
  | "no socket";

/** Looks at a descriptor: SO_TYPE, SO_ACCEPTCONN (socket(7)). */
export function kindOf(fd: number): SocketKind {
  const type = option(fd, abi.SO_TYPE);
  if (type < 0) return "no socket";
  if (type !== abi.SOCK_STREAM) return "other socket";
  return option(fd, abi.SO_ACCEPTCONN) === 1 ? "listener" : "connection";
}

interface ListenOptions {
  /** Address or name to bind; not used with `unix`. */
  readonly host: string;
  /** TCP port; 0 takes a free one. */
  readonly port: number;
  /** Path of a Unix domain socket instead. */
  readonly unix?: string;
  /** How many connections may wait to be accepted. */
  readonly backlog: number;
}

export interface Listener extends Disposable {
  /** Its descriptor, borrowed until it is closed. */
  readonly fd: number;
  /** Where it listens, with the port that was taken. */
  readonly address: Deno.NetAddr | Deno.UnixAddr;
  /** Whether another server has the socket, too: closing it here then leaves it listening there. */
  isShared: boolean;
  /** Whether it is a service manager's, which goes on with it: it is shared as long as it is open. */
  readonly isManaged: boolean;
  /** Stops listening, and removes the socket file if it is still ours; again is harmless. */
  close(): void;
}

/** The system does not let us listen there; the message says why and what to do. */
export class ListenError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ListenError";
  }
}

/**
 * Binds and listens. Returns the listener, the caller's to close. Throws `ListenError` when the system refuses, or
 * the path is taken.
 */
export async function openListener(options: ListenOptions): Promise<Listener> {
  const { unix, host, port, backlog } = options;
  if (unix === undefined) {
    try {
      const listener = Deno.listen({ hostname: host, port });
      return wrap(listener, backlog, () => listener.close());
    } catch (error) {
      throw new ListenError(
        explain(
          formatAddress({ transport: "tcp", hostname: host, port }),
          error as Error,
        ),
      );
    }
  }
  await clearPath(unix);
  try {
    const listener = Deno.listen({ transport: "unix", path: unix });
    const made = Deno.lstatSync(unix);
    const wrapped = wrap(listener, backlog, (isShared) => {
      // Deno's close would remove whatever is at the path by then. The descriptor goes with the process.
      if (isShared) abandon(wrapped.fd);
      else removeSocket(unix, made);
    });
    return wrapped;
  } catch (error) {
    throw new ListenError(explain(unix, error as Error, PATH_HINTS));
  }
}

/**
 * Takes a listening socket up that another process has opened. `fd`: the socket, from here on the listener's to
 * close. Returns the listener, the caller's to close. Throws `PosixError` when it is no listening socket.
 */
export function takeOverListener(
  fd: Fd,
  address: Listener["address"],
  backlog: number,
): Listener {
  setBacklog(fd.number, backlog);
  setNonblocking(fd.number, true);
  const file = "path" in address
    ? { path: address.path, made: Deno.lstatSync(address.path) }
    : null;
  return makeListener(fd.number, address, (isShared) => {
    if (file && !isShared) removeSocket(file.path, file.made);
    fd.close();
  });
}

function wrap(
  { addr }: Deno.TcpListener | Deno.UnixListener,
  backlog: number,
  end: (isShared: boolean) => void,
): Listener {
  const fd = findListener(addr);
  setBacklog(fd, backlog);
  // The runtime leaves out the zone of a link-local address.
  return makeListener(fd, "port" in addr ? localAddress(fd) : addr, end);
}

function makeListener(
  fd: number,
  address: Deno.Addr,
  end: (isShared: boolean) => void,
): Listener {
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    // The watcher's thread may still hold the socket: closing alone would leave it listening for a moment.
    if (!listener.isShared) shutdownBoth(fd);
    end(listener.isShared);
  };
  const listener: Listener = {
    fd,
    address: address as Listener["address"],
    isShared: false,
    isManaged: false,
    close,
    [Symbol.dispose]: close,
  };
  return listener;
}

/**
 * Gives up a socket whose number the runtime owns: the number refers to nothing from here on, so that
 * the socket ends with the other server that has it.
 */
function abandon(fd: number): void {
  const pair = socketPair();
  putOver(pair[0].number, fd);
  setInherit(fd, false);
  for (const end of pair) end.close();
}

/**
 * Removes the socket file of a dead server; a live server's, or any other file, is left alone. Throws `ListenError`
 * when something else is there.
 */
export async function clearPath(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch {
    return; // nothing there; what else may be wrong, binding says
  }
  if (!info.isSocket) {
    throw new ListenError(
      `Cannot listen on "${path}": the file is not a socket: use another path or remove the file`,
    );
  }
  try {
    const connection = await Deno.connect({ transport: "unix", path });
    connection.close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) {
      return removeSocket(path, info);
    }
    throw new ListenError(explain(path, error as Error, PATH_HINTS));
  }
  throw new ListenError(
    `Cannot listen on "${path}": address already in use (EADDRINUSE): a server is running there: use another path or stop it`,
  );
}

/** Removes a socket file unless it is another server's by this time. */
export function removeSocket(path: string, ours: Deno.FileInfo): void {
  try {
    const there = Deno.lstatSync(path);
    // A number alone is not enough: a freed inode is soon used again.
    const same = there.isSocket && there.dev === ours.dev &&
      there.ino === ours.ino &&
      there.mtime?.getTime() === ours.mtime?.getTime();
    if (same) Deno.removeSync(path);
  } catch {
    // Somebody removed it: nothing is left to do.
  }
}

const HINTS: Readonly<Record<string, readonly [string, string]>> = {
  EACCES: ["permission denied", "use a port above 1023 or run as root"],
  EADDRINUSE: [
    "address already in use",
    "stop the server that uses it, or use another port",
  ],
  EADDRNOTAVAIL: [
    "no such address on this machine",
    "use an address of this machine, or 0.0.0.0",
  ],
  ENOENT: ["no such directory", "make the directory first"],
  EMFILE: ["too many open files", "raise the limit with `ulimit -n`"],
};

/** Where a path is what cannot be used. */
const PATH_HINTS: typeof HINTS = {
  ...HINTS,
  EACCES: ["permission denied", "use a directory that you may write to"],
  EINVAL: ["the path is too long", "use a shorter one"],
};

function explain(
  where: string,
  error: Error & { code?: string },
  hints: typeof HINTS = HINTS,
): string {
  const code = error.code ?? codeByClass(error);
  const [text, hint] = hints[code] ?? [error.message, "check the address"];
  return `Cannot listen on "${where}": ${text}${
    code === "" ? "" : ` (${code})`
  }: ${hint}`;
}

function codeByClass(error: Error): string {
  if (error instanceof Deno.errors.AddrInUse) return "EADDRINUSE";
  if (error instanceof Deno.errors.AddrNotAvailable) return "EADDRNOTAVAIL";
  if (error instanceof Deno.errors.PermissionDenied) return "EACCES";
  if (error instanceof Deno.errors.NotFound) return "ENOENT";
  return "";
}

/** Why a passed descriptor cannot be served, and the setting that its socket unit needs. */
const WRONG: Readonly<Record<Exclude<SocketKind, "listener">, string>> = {
  "connection": "it is a socket that does not listen: set Accept=no",
  "other socket": "it is not a stream socket: use ListenStream=",
  "no socket": "it is not a socket: use ListenStream=",
};

/**
 * Makes it a listener. Its backlog is as who opened it wants it; its file, if it is a Unix domain socket, is theirs
 * to remove. `fd`: the descriptor, from here on the listener's; closed when this throws. Returns the listener, the
 * caller's to close. Throws `ListenError` when connections cannot be accepted from it.
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
