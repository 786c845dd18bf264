/**
 * Where connection processes come from, behind one interface.
 *
 * @module
 */
import type { Outcome } from "../wire/records.ts";
import type { Fd } from "../posix/fd.ts";
import type { ProcessEntry } from "./process_entry.ts";
import type { Exit } from "./exit.ts";

/** A connection on its way to a process. */
export interface Handoff {
  /** Counts the connections of this server from 1. */
  readonly id: number;
  /** The connection: the parent's copy, closed by the model when a child took it. */
  readonly fd: Fd;
  /** The peer's `struct sockaddr`. */
  readonly sockaddr: Uint8Array<ArrayBuffer>;
  /** How many processes ended with it in hand before they took it. */
  lost: number;
}

/** What a model tells the server. For one connection: took, then done, each once. */
export interface ModelEvents {
  /** A process has the connection. */
  took(id: number, pid: number): void;
  /** The connection has ended, also when its process was killed. */
  done(id: number, outcome: Outcome): void;
  /** No process could be had for a connection that nobody took: it was closed. */
  refused(id: number, why: string): void;
  /** A process was reaped. */
  reaped(pid: number, exit: Exit): void;
  /** Something that a person should know went wrong; the model goes on. */
  trouble(what: string): void;
  /** Connections are served in another way from here on, which a person should know. */
  changed(what: string): void;
}

/** What ends the process of one connection: `stop` is what a handler's `signal` shows. */
export type EndSignal = "stop" | "SIGTERM" | "SIGKILL";

/** A source of connection processes. */
export interface ProcessModel {
  /** Its name, as it is typed. */
  readonly name: string;
  /** Whether a process serves one connection after another; else it ends with its first. */
  readonly reusesProcesses: boolean;
  /**
   * Starts the processes that wait ahead of connections.
   *
   * @returns Resolves when connections can be served.
   * @throws {Error} When this system cannot run the model; the message says why.
   */
  start(): Promise<void>;
  /** How many connections no process has been handed yet. */
  readonly waiting: number;
  /**
   * Gives a connection to a process, now or when one is ready.
   *
   * @param handoff The connection, from here on the model's.
   */
  serve(handoff: Handoff): void;
  /** Refuses a connection that no process has been handed yet. */
  withdraw(id: number, why: string): void;
  /**
   * Asks or makes the process of one connection end; it serves no other one afterwards.
   *
   * @returns Whether that means anything to it: only a handler hears `stop`.
   */
  end(pid: number, signal: EndSignal): boolean;
  /** The processes that there are at this moment; to be read at once. */
  processes(): Iterable<ProcessEntry>;
  /** Lets handlers see that the server drains; connections may still come. */
  askToStop(): void;
  /** Lets go of the processes that wait; connections that came before are still served. */
  retire(): void;
  /** Ends the processes that serve. */
  kill(signal: "SIGTERM" | "SIGKILL"): void;
  /** Resolves when every process has been reaped; call after {@linkcode retire}. */
  ended(): Promise<void>;
}
