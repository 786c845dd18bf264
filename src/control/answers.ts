/**
 * The answers of a server over its control socket.
 *
 * @module
 */
import type { ChosenModel } from "../model/choose.ts";
import {
  PROCESS_STATES,
  type ProcessEntry,
  type ProcessState,
  type RewindState,
} from "../model/model.ts";
import { formatAddress } from "../posix/net/address.ts";
import type { ConnectionInfo } from "../server/events.ts";
import type { Listener } from "../server/listener.ts";
import type { Server } from "../server/server.ts";
import { EventLines } from "./event_lines.ts";
import type { Answers, ConnectionRow, Request } from "./protocol.ts";
import { type Reply, type Session, wholeReply } from "./session.ts";

/** The parts of the server that answer. */
interface AnswerOptions {
  readonly server: Server;
  /** Its socket, which may be handed out. */
  readonly listener: Listener;
  /** The current model, and the reason if `auto` could not choose a better one. */
  readonly chosen: ChosenModel;
  readonly version: string;
  /** Begins the drain; `why` is for the log. */
  readonly drain: (why: string) => void;
  /** The next server has taken over. */
  readonly takenOver: () => void;
  /** The next server has the socket but could not serve. */
  readonly takeOverFailed: () => void;
}

/** Answers requests for a server. */
export class ServerAnswers {
  readonly #options: AnswerOptions;
  readonly #started = performance.now();
  readonly #events: EventLines;
  /** The session that got the listening socket, until it takes over or closes. */
  #successor: Session | null = null;

  constructor(options: AnswerOptions) {
    this.#options = options;
    this.#events = new EventLines(options.server);
  }

  /** Answers a request. Throws `TypeError` when it cannot be done; the message is for the person. */
  answer(request: Request, session: Session): Reply {
    switch (request.command) {
      case "status":
        return wholeReply({ ok: true, ...this.#status() });
      case "connections":
        return this.#connections();
      case "processes":
        return this.#processes();
      case "drop":
        return wholeReply({ ok: true, ...this.#drop(request.id) });
      case "drain":
        this.#options.drain("drain");
        return wholeReply({ ok: true, live: this.#live() });
      case "events":
        return this.#events.follow(session, request.perSecond);
      case "listener":
        return this.#handListener(session);
      case "yield":
        return this.#handOver(session);
    }
  }

  /** A client has gone. If it has the listening socket and did not take over, all is as before. */
  ended(session: Session): void {
    this.#events.ended(session);
    if (session !== this.#successor) return;
    this.#successor = null;
    const { listener } = this.#options;
    listener.isShared = listener.isManaged;
    if (!this.#options.server.isDraining) this.#options.takeOverFailed();
  }

  #status(): Answers["status"] {
    const { server, listener, chosen, version } = this.#options;
    const children = Object.fromEntries(
      PROCESS_STATES.map((state) => [state, 0]),
    ) as Record<ProcessState, number>;
    let zygotes = 0;
    for (const { role, state } of server.processes()) {
      if (role === "zygote") zygotes++;
      else children[state]++;
    }
    return {
      pid: Deno.pid,
      version,
      state: server.isDraining ? "draining" : "serving",
      address: formatAddress(listener.address),
      listener: listener.address,
      uptime: Math.round(performance.now() - this.#started),
      model: chosen.model.name,
      why: chosen.why ?? null,
      rewinding: chosen.model.rewinding && stateOf(chosen.model.rewinding),
      totals: server.totals(),
      waiting: server.waiting,
      zygotes,
      children,
    };
  }

  #connections(): Reply {
    const now = performance.now();
    const live: ConnectionInfo[] = [
      ...this.#options.server.connections(),
    ];
    const show = (
      { id, peer, via, pid, acceptedAt }: ConnectionInfo,
    ): ConnectionRow => ({
      id,
      peer,
      ...(via ? { via } : {}),
      pid,
      age: Math.round(now - acceptedAt),
    });
    return listReply("connections", live, show);
  }

  #processes(): Reply {
    const processes: ProcessEntry[] = [...this.#options.server.processes()];
    return listReply("processes", processes, (entry) => entry);
  }

  #drop(id: number): Answers["drop"] {
    const { server } = this.#options;
    for (const live of server.connections()) {
      if (live.id !== id) continue;
      server.end(id, "dropped");
      return { peer: live.peer };
    }
    throw new TypeError(
      `Cannot drop connection ${id}: no such connection: \`mpserv connections\` lists all`,
    );
  }

  #live(): number {
    return this.#options.server.totals().active;
  }

  #handListener(session: Session): Reply {
    const { server, listener } = this.#options;
    if (server.isDraining) {
      throw new TypeError(
        `Cannot take over from process ${Deno.pid}: it is draining and no longer listens: start without --take-over`,
      );
    }
    if (this.#successor) {
      throw new TypeError(
        `Cannot take over from process ${Deno.pid}: another server is taking over`,
      );
    }
    this.#successor = session;
    listener.isShared = true;
    const { fd, address, isManaged } = listener;
    return wholeReply({ ok: true, pid: Deno.pid, address, isManaged }, fd);
  }

  #handOver(session: Session): Reply {
    if (session !== this.#successor) {
      throw new TypeError(
        "Cannot hand over: the request `listener` must come first",
      );
    }
    this.#successor = null; // the socket stays shared: it is the other server's from here on
    this.#events.takenOver();
    this.#options.drain("take-over");
    this.#options.takenOver();
    return wholeReply({ ok: true, live: this.#live() });
  }
}

/** As JSON has it: of getters, too. */
function stateOf(
  { isOn, why, rewound, replaced }: RewindState,
): RewindState {
  return { isOn, why, rewound, replaced };
}

/** How many rows of a list go in one piece. */
const ROWS = 100;

/**
 * A reply whose only field is a list, which is made as the client reads it. `rows`: the list; a row that has become
 * null in the meantime is left out.
 */
function listReply<Row>(
  name: string,
  rows: readonly Row[],
  show: (row: Row) => unknown,
): Reply {
  function* pieces(): Generator<string> {
    yield `{"ok":true,${JSON.stringify(name)}:[`;
    for (let at = 0; at < rows.length; at += ROWS) {
      const shown = rows.slice(at, at + ROWS).map((row) =>
        JSON.stringify(show(row))
      );
      yield (at === 0 ? "" : ",") + shown.join(",");
    }
    yield "]}\n";
  }
  return { pieces: pieces() };
}
