/**
 * Writes the events of a server as lines of JSON for its followers. Without followers nothing here is called.
 *
 * Times are microseconds on the clock that all processes of the machine share and nobody sets (`CLOCK_MONOTONIC`,
 * clock_gettime(2)), taken where it happens: `at` of `forked` in the zygote, of `took`, `half-closed` and `done` in
 * the process that serves, of `reaped` where it was waited for, all others in the parent. `heard` is when the parent
 * knew. Lines come in the order in which the parent knows: those of one connection in the order of their times.
 *
 * @module
 */
import type { Exit, ProcessEntry } from "../model/model.ts";
import { monotonic, monotonicOffset } from "../posix/process.ts";
import type {
  ConnectionInfo,
  RefusalReason,
  ServerEvents,
  Via,
} from "../server/events.ts";
import type { Server } from "../server/server.ts";
import {
  type Outcome,
  type Reason,
  UNTIMED,
  type When,
} from "../wire/records.ts";
import { Follower } from "./follower.ts";
import type { Reply, Session } from "./session.ts";

/** An event of one connection, whose number is `id`. */
type ConnectionEvent =
  /** It came off the backlog, and was let in. */
  | { event: "accepted"; at: number; id: number; peer: string; via?: Via }
  /** Its descriptor was sent to a process that waits, or to a zygote. */
  | { event: "handed"; at: number; id: number; pid: number }
  /** The process with its descriptor ended before it took it: another one gets it. */
  | { event: "returned"; at: number; id: number }
  /** A zygote began to fork this process for it. */
  | { event: "forked"; at: number; id: number; pid: number }
  /** This process took it; when the parent heard of that, it closed its copy. */
  | { event: "took"; at: number; heard: number; id: number; pid: number }
  /** The process read the client's end of file. */
  | { event: "half-closed"; at: number; id: number; pid: number }
  /** It ended; byte counts are null if they are unknown. */
  | {
    event: "done";
    at: number;
    heard: number;
    id: number;
    pid: number;
    in: number | null;
    out: number | null;
    reason: Reason;
    text: string;
  };

/** Anything that happened. */
export type ServerEvent =
  | ConnectionEvent
  /** A connection was closed without service; one that had been accepted has an `id`. */
  | {
    event: "refused";
    at: number;
    id?: number;
    peer: string;
    reason: RefusalReason;
    why?: string;
  }
  /** A process waits for connections, or can fork. */
  | { event: "started"; at: number; pid: number; role: ProcessEntry["role"] }
  /** A process was waited for, and is gone. */
  | {
    event: "reaped";
    at: number;
    pid: number;
    role: ProcessEntry["role"];
    code: number;
    signal: string | null;
  }
  /** Something that a person should know went wrong. */
  | { event: "trouble"; at: number; what: string }
  /** Connections are served in another way from here on. */
  | { event: "changed"; at: number; what: string }
  /** Another server has the listening socket. */
  | { event: "taken-over"; at: number }
  /** No more connections are accepted; so many may finish. */
  | { event: "draining"; at: number; live: number }
  /** The time of the remaining connections is over. */
  | { event: "ending"; at: number; live: number }
  /** The reader was slow, and so many events before this one are not told. */
  | { event: "skipped"; at: number; count: number };

/** How many may follow at a time: others must still be able to ask. */
const MOST_FOLLOWERS = 8;
/** How long a reader may take nothing while something waits for it, in milliseconds. */
const PATIENCE = 60_000;

/** Writes lines for those who follow a server. */
export class EventLines implements ServerEvents {
  readonly #server: Pick<Server, "tell">;
  readonly #followers = new Map<Session, Follower>();
  /** Those who get the event that is being told. */
  readonly #to: Follower[] = [];
  /** Hears the server no more. */
  #leave: (() => void) | null = null;
  /** From `performance.now()` to the clock of all processes. */
  #offset = 0;

  constructor(server: Pick<Server, "tell">) {
    this.#server = server;
  }

  /**
   * One more follows; `perSecond`: how many connections a second it is told of, undefined for all. Returns what it is
   * answered, without an end. Throws `TypeError` when too many do.
   */
  follow(session: Session, perSecond?: number): Reply {
    if (this.#followers.size >= MOST_FOLLOWERS) {
      throw new TypeError(
        `Cannot send events: ${MOST_FOLLOWERS} clients follow them already: stop one of them`,
      );
    }
    const follower = new Follower(
      session,
      perSecond,
      (count) => lineOf({ event: "skipped", at: round(monotonic()), count }),
    );
    this.#followers.set(session, follower);
    if (this.#leave === null) {
      this.#offset = monotonicOffset();
      this.#leave = this.#server.tell(this);
    }
    const began = {
      ok: true,
      pid: Deno.pid,
      at: round(monotonic()),
      time: Date.now(),
    };
    function* pieces(): Generator<string> {
      yield JSON.stringify(began) + "\n";
      for (;;) yield follower.take();
    }
    return { pieces: pieces(), patience: PATIENCE };
  }

  /** A client has gone; it may be none that follows. */
  ended(session: Session): void {
    this.#followers.get(session)?.end();
    if (!this.#followers.delete(session) || this.#followers.size > 0) return;
    this.#leave?.();
    this.#leave = null;
  }

  accepted({ id, peer, via, acceptedAt }: ConnectionInfo): void {
    if (!this.#choose((follower) => follower.meets(id, acceptedAt))) return;
    const at = this.#fromParent(acceptedAt);
    this.#tell({ event: "accepted", at, id, peer, ...(via ? { via } : {}) });
  }

  rejected(peer: string, reason: RefusalReason, why?: string): void {
    const now = performance.now();
    if (!this.#choose((follower) => follower.meetsRefused(now))) return;
    const at = this.#fromParent(now);
    const more = why === undefined ? {} : { why };
    this.#tell({ event: "refused", at, peer, reason, ...more });
  }

  handed({ id }: ConnectionInfo, pid: number, at: number): void {
    if (!this.#choose((follower) => follower.hears(id))) return;
    this.#tell({ event: "handed", at: this.#fromParent(at), id, pid });
  }

  returned({ id }: ConnectionInfo): void {
    if (!this.#choose((follower) => follower.hears(id))) return;
    this.#tell({ event: "returned", at: this.#now(), id });
  }

  connected(connection: ConnectionInfo, when: When = UNTIMED): void {
    const { id, pid } = connection;
    const events = when.since > 0 ? 2 : 1;
    for (const follower of this.#followers.values()) follower.took(id, pid);
    if (!this.#choose((follower) => follower.hears(id, events))) return;
    const heard = this.#now();
    const at = this.#fromChild(when.at, connection, heard);
    if (when.since > 0) {
      const forked = this.#fromChild(when.since, connection, at);
      this.#tell({ event: "forked", at: forked, id, pid });
    }
    this.#tell({ event: "took", at, heard, id, pid });
  }

  disconnected(
    connection: ConnectionInfo,
    { bytesIn, bytesOut, reason, text }: Outcome,
    _: number,
    when: When = UNTIMED,
  ): void {
    const { id, pid } = connection;
    const events = when.since > 0 ? 2 : 1;
    const isHeard = this.#choose((follower) => follower.hears(id, events));
    this.#forget(id);
    if (!isHeard) return;
    const heard = this.#now();
    const at = this.#fromChild(when.at, connection, heard);
    if (when.since > 0) {
      const ended = this.#fromChild(when.since, connection, at);
      this.#tell({ event: "half-closed", at: ended, id, pid });
    }
    const counts = { in: bytesIn, out: bytesOut };
    this.#tell({ event: "done", at, heard, id, pid, ...counts, reason, text });
  }

  started(pid: number, role: ProcessEntry["role"]): void {
    this.#say({ event: "started", at: this.#now(), pid, role });
  }

  removed(pid: number, { code, signal }: Exit, when: When = UNTIMED): void {
    if (!this.#choose((follower) => follower.hearsOfProcess(pid))) return;
    const heard = this.#now();
    const at = when.at > 0 ? Math.min(round(when.at), heard) : heard;
    const role = "connection";
    this.#tell({ event: "reaped", at, pid, role, code, signal });
  }

  /** Each `done` of a pool's process says as much. */
  rewound(): void {}

  zygoteEnded(pid: number, { code, signal }: Exit): void {
    const at = this.#now(), role = "zygote";
    this.#say({ event: "reaped", at, pid, role, code, signal });
  }

  refused({ id, peer }: ConnectionInfo, why: string): void {
    const isHeard = this.#choose((follower) => follower.hears(id));
    this.#forget(id);
    if (!isHeard) return;
    const at = this.#now(), reason = "no-process";
    this.#tell({ event: "refused", at, id, peer, reason, why });
  }

  trouble(what: string): void {
    this.#say({ event: "trouble", at: this.#now(), what });
  }

  changed(what: string): void {
    this.#say({ event: "changed", at: this.#now(), what });
  }

  draining(live: number): void {
    this.#say({ event: "draining", at: this.#now(), live });
  }

  ending(live: number): void {
    this.#say({ event: "ending", at: this.#now(), live });
  }

  /** Another server has the listening socket; a drain follows. */
  takenOver(): void {
    if (this.#leave) this.#say({ event: "taken-over", at: this.#now() });
  }

  #now(): number {
    return round(monotonic());
  }

  #fromParent(milliseconds: number): number {
    return round(1e3 * milliseconds + this.#offset);
  }

  /** Limits a child's time to the span between the accept and the report. */
  #fromChild(
    at: number,
    { acceptedAt }: ConnectionInfo,
    heard: number,
  ): number {
    if (at === 0) return heard;
    return Math.min(heard, Math.max(round(at), this.#fromParent(acceptedAt)));
  }

  /** Picks those who get the next events; what nobody gets is not even written. */
  #choose(hears: (follower: Follower) => boolean): boolean {
    this.#to.length = 0;
    for (const follower of this.#followers.values()) {
      if (hears(follower)) this.#to.push(follower);
    }
    return this.#to.length > 0;
  }

  /** Tells those who were picked. */
  #tell(event: ServerEvent): void {
    const line = lineOf(event);
    for (const follower of this.#to) follower.add(line);
  }

  /** Tells all. */
  #say(event: ServerEvent): void {
    this.#choose(() => true);
    this.#tell(event);
  }

  #forget(id: number): void {
    for (const follower of this.#followers.values()) follower.forget(id);
  }
}

function lineOf(event: object): string {
  return JSON.stringify(event) + "\n";
}

/** To a tenth of a microsecond: no clock is more exact. */
function round(microseconds: number): number {
  return Math.round(10 * microseconds) / 10;
}
