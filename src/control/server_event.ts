/**
 * What a server tells those who follow it, one line of JSON each.
 *
 * Times are microseconds on the clock that all processes of the machine share and nobody sets (`CLOCK_MONOTONIC`,
 * clock_gettime(2)), taken where it happens: `at` of `forked` in the zygote, of `took`, `half-closed` and `done` in
 * the process that serves, of `reaped` where it was waited for, all others in the parent. `heard` is when the parent
 * knew. Lines come in the order in which the parent knows: those of one connection in the order of their times.
 *
 * @module
 */
import type { Reason } from "../wire/records.ts";
import type { ProcessEntry } from "../model/model.ts";
import type { RefusalReason, Via } from "../server/events.ts";

/** What happened to one connection, whose number is `id`. */
export type ConnectionEvent =
  /** It came off the backlog, and was let in. */
  | { event: "accepted"; at: number; id: number; peer: string; via?: Via }
  /** Its descriptor was sent to a process that waits, or to a zygote. */
  | { event: "handed"; at: number; id: number; pid: number }
  /** What had been sent it ended before it took it: it is handed out again. */
  | { event: "returned"; at: number; id: number }
  /** A zygote began to fork this process for it. */
  | { event: "forked"; at: number; id: number; pid: number }
  /** This process took it; when the parent heard of that, it closed its copy. */
  | { event: "took"; at: number; heard: number; id: number; pid: number }
  /** The process read the client's end of file. */
  | { event: "half-closed"; at: number; id: number; pid: number }
  /** It ended; the counts of bytes are null where nobody counted. */
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
  /** Time is up for what is still served. */
  | { event: "ending"; at: number; live: number }
  /** The reader was slow, and so many events before this one are not told. */
  | { event: "skipped"; at: number; count: number };

/** The name of an event. */
export type EventName = ServerEvent["event"];
