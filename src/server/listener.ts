/**
 * The listener: binding, and what may stand in the way.
 *
 * @module
 */

import { formatAddress } from "../posix/address.ts";
import { findListener, setBacklog, shutdownBoth } from "../posix/sockets.ts";

/** Where to listen. */
export interface ListenOptions {
  /** Address or name to bind; not used with `unix`. */
  readonly host: string;
  /** TCP port; 0 takes a free one. */
  readonly port: number;
  /** Path of a Unix domain socket instead. */
  readonly unix?: string;
  /** How many connections may wait to be accepted. */
  readonly backlog: number;
}

/** A listening socket. */
export interface Listener extends Disposable {
  /** Its descriptor, borrowed until it is closed. */
  readonly fd: number;
  /** Where it listens, with the port that was taken. */
  readonly address: Deno.NetAddr | Deno.UnixAddr;
  /** Stops listening, and removes the socket file if it is still ours; again is harmless. */
  close(): void;
}

/** The system does not let us listen there; the message says why and what to do. */
export class ListenError extends Error {
  /**
   * Makes one.
   *
   * @param message The line for the person.
   */
  constructor(message: string) {
    super(message);
    this.name = "ListenError";
  }
}

/**
 * Binds and listens.
 *
 * @param options Where.
 * @returns The listener, the caller's to close.
 * @throws {ListenError} When the system refuses, or the path is taken.
 */
export async function openListener(options: ListenOptions): Promise<Listener> {
  const { unix, host, port, backlog } = options;
  if (unix === undefined) {
    try {
      return wrap(
        Deno.listen({ hostname: host, port }),
        backlog,
        (listener) => listener.close(),
      );
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
    return wrap(listener, backlog, () => {
      // Deno's close would remove whatever is at the path by then. The descriptor goes with the process.
      removeSocket(unix, made);
    });
  } catch (error) {
    throw new ListenError(explain(unix, error as Error));
  }
}

function wrap(
  listener: Deno.TcpListener | Deno.UnixListener,
  backlog: number,
  end: (listener: Deno.Listener) => void,
): Listener {
  const fd = findListener(listener.addr);
  setBacklog(fd, backlog);
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    // The watcher's thread may still hold the socket: closing alone would leave it listening for a moment.
    shutdownBoth(fd);
    end(listener);
  };
  const address = listener.addr as Deno.NetAddr | Deno.UnixAddr;
  return { fd, address, close, [Symbol.dispose]: close };
}

/** A socket file of a dead server is removed; a live server's, or any other file, is left alone. */
async function clearPath(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch {
    return; // nothing there; what else may be wrong, binding says
  }
  if (!info.isSocket) {
    throw new ListenError(
      `Cannot listen on "${path}": a file is there that is no socket: give another path or remove it`,
    );
  }
  try {
    const connection = await Deno.connect({ transport: "unix", path });
    connection.close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) {
      return removeSocket(path, info);
    }
    throw new ListenError(explain(path, error as Error));
  }
  throw new ListenError(
    `Cannot listen on "${path}": address already in use (EADDRINUSE): a server is live there: give another path or stop it`,
  );
}

/** Removes the socket file unless it is another server's by this time. */
function removeSocket(path: string, ours: Deno.FileInfo): void {
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
    "stop the server that has it, or take another port",
  ],
  EADDRNOTAVAIL: [
    "no such address on this machine",
    "use an address of this machine, or 0.0.0.0",
  ],
  ENOENT: ["no such directory", "make the directory first"],
  EMFILE: ["too many open files", "raise the limit with `ulimit -n`"],
};

function explain(where: string, error: Error & { code?: string }): string {
  const code = error.code ?? codeByClass(error);
  const [text, hint] = HINTS[code] ?? [error.message, "check the address"];
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
