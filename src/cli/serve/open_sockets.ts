/**
 * The socket that a server listens on: its own, one that its manager passed, or the running server's.
 *
 * @module
 */
import type { Inheritance } from "../../control/inheritance.ts";
import { setNoDelay } from "../../posix/net/sockets.ts";
import {
  type Listener,
  ListenError,
  openListener,
} from "../../server/listener.ts";
import type { ManagerVariables } from "../../server/systemd/variables.ts";
import { UserError } from "../terminal.ts";
import type { ServeOptions } from "./options/serve_options.ts";
import { later } from "./resolve_options.ts";

/** The open sockets. */
export interface Sockets extends Disposable {
  /** The socket. */
  readonly listener: Listener;
  /** The running server's, which is to be taken over; null where none is. */
  readonly inheritance: Inheritance | null;
}

/** Opens the listening socket. It is the caller's to dispose of. Throws `UserError` when it cannot be opened. */
export async function openSockets(
  options: ServeOptions,
  manager: ManagerVariables | null,
): Promise<Sockets> {
  const inheritance = await inherit(options);
  const listener = inheritance?.listener ?? await listen(options, manager);
  setDelay(options, listener);
  return {
    listener,
    inheritance,
    [Symbol.dispose]: () => {
      listener[Symbol.dispose]();
      inheritance?.[Symbol.dispose]();
    },
  };
}

/** The running server's socket; null when none is to be taken over. */
async function inherit(options: ServeOptions): Promise<Inheritance | null> {
  if (!options.takeOver) return null;
  return await (await later.takeOver()).inherit(options);
}

async function listen(
  options: ServeOptions,
  manager: ManagerVariables | null,
): Promise<Listener> {
  const { host, port, unix, backlog, fdName } = options;
  try {
    if (manager?.LISTEN_FDS !== undefined || fdName !== undefined) {
      const { listenForManager } = await later.manager();
      const passed = listenForManager(manager ?? {}, fdName);
      if (passed !== null) return passed;
    }
    return await openListener({
      host,
      port,
      backlog,
      ...(unix === undefined ? {} : { unix }),
    });
  } catch (error) {
    if (error instanceof ListenError) throw new UserError(error.message);
    throw error;
  }
}

/** Connections inherit it from their listener; a passed socket keeps the manager's setting unless one is typed. */
function setDelay(
  { noDelay }: ServeOptions,
  { fd, address, isManaged }: Listener,
): void {
  if ("path" in address || (!noDelay && isManaged)) return;
  setNoDelay(fd, noDelay);
}
