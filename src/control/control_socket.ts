/**
 * The server's side of the control socket: its file, and the clients that it accepts.
 *
 * @module
 */
import { peerOf, peerUser } from "../posix/net/sockets.ts";
import { mayDescend } from "../posix/descent.ts";
import type { Accepted } from "../posix/net/sockets.ts";
import { effectiveUser } from "../posix/users.ts";
import type { Watcher } from "../posix/watcher.ts";
import { Acceptor } from "../server/acceptor.ts";
import {
  clearPath,
  type Listener,
  ListenError,
  openListener,
  removeSocket,
} from "../server/listener.ts";
import { type Reply, Session } from "./session.ts";
import { MOST_CLIENTS, type Request } from "./protocol.ts";

const BACKLOG = 64;

interface ControlOptions {
  /** Says when clients come and when they are ready. */
  readonly watcher: Watcher;
  /** Answers a request. Throws `Error` when it cannot be done; the message is the answer. */
  readonly answer: (request: Request, session: Session) => Reply;
  /** A client has gone. */
  readonly ended: (session: Session) => void;
}

interface Door {
  readonly path: string;
  readonly listener: Listener;
  readonly made: Deno.FileInfo;
}

interface OpenDoor extends Door {
  readonly acceptor: Acceptor;
}

export class Control implements Disposable {
  readonly #options: ControlOptions;
  readonly #sessions = new Set<Session>();
  #door: OpenDoor | null = null;
  #closed = false;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /** Where it is; null until it is open. */
  get path(): string | null {
    return this.#door?.path ?? null;
  }

  /**
   * Opens it at a path, where it appears at once and whole, in place of a dead server's. If it was open at another, it
   * moves: clients that it hears stay. Throws `ListenError` when the system refuses, or something else is at the path.
   */
  async open(path: string, replace = false): Promise<void> {
    const door = await install(path, replace);
    if (this.#closed) {
      removeSocket(door.path, door.made);
      return door.listener.close();
    }
    this.#shut();
    const { watcher } = this.#options;
    const acceptor = new Acceptor(door.listener.fd, watcher, {
      hasRoom: () => this.#sessions.size < MOST_CLIENTS,
      makeRoom: () => false,
      accepted: (client) => this.#hear(client),
      refused: () => {}, // who asks waits in the backlog
    });
    this.#door = { ...door, acceptor };
    acceptor.start();
  }

  /** Hangs up on everybody and removes its file if it is still its own; again is harmless. */
  close(): void {
    this.#closed = true;
    this.#shut();
    for (const session of this.#sessions) session.finish();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #shut(): void {
    if (!this.#door) return;
    const { path, listener, made, acceptor } = this.#door;
    removeSocket(path, made);
    // Serve clients that connected before the socket file was removed; otherwise they would wait in the backlog.
    acceptor.stop();
    listener.close();
    this.#door = null;
  }

  #hear({ fd }: Accepted): void {
    if (!mayAsk(fd.number)) return fd.close();
    const { watcher, answer, ended } = this.#options;
    this.#sessions.add(
      new Session({
        fd,
        watcher,
        answer,
        ended: (session) => {
          this.#sessions.delete(session);
          ended(session);
          this.#door?.acceptor.resume();
        },
      }),
    );
  }
}

/**
 * Whether a client is its server's user, and none of the processes that serve: what a stranger talks to must
 * not take the listener, nor end others' connections.
 */
function mayAsk(client: number): boolean {
  return peerUser(client) === effectiveUser() &&
    !mayDescend(peerOf(client)?.pid ?? 0);
}

// A listening socket is found by its address, which is the path that it was made at.
let installed = 0;

/** The socket appears at the path only when it has its mode and listens. */
async function install(path: string, replace: boolean): Promise<Door> {
  if (!replace) await clearPath(path);
  // Mostly shorter than its name: what fits there fits here.
  const newcomer = path.replace(/[^/]*$/, `.${Deno.pid}.${++installed}`);
  const listener = await openListener({
    host: "",
    port: 0,
    unix: newcomer,
    backlog: BACKLOG,
  }).catch((error: Error) => {
    throw new ListenError(error.message.replace(newcomer, path));
  });
  try {
    Deno.chmodSync(newcomer, 0o600);
    const made = Deno.lstatSync(newcomer);
    Deno.renameSync(newcomer, path);
    return { path, listener, made };
  } catch (error) {
    listener.close();
    throw error;
  }
}
