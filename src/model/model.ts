/**
 * The process models, behind one interface.
 *
 * @module
 */
import type { Fd } from "../posix/fd.ts";
import { decodeStatus, signalName } from "../posix/forking.ts";
import {
  type Failure,
  FAILURES,
  type Outcome,
  type Report,
  REWINDING,
  type When,
} from "../wire/records.ts";
import type { RewindChoice } from "../wire/choices.ts";

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

/**
 * The events of a model. For one connection: handed, and again after returned; then took,
 * then done, each once. `when` is the process's own time; it is missing if no process reported it.
 */
export interface ModelEvents {
  /** A connection is on its way to a process, or to a zygote that forks for it; `at` as `performance.now()`. */
  handed(id: number, pid: number, at: number): void;
  /** It is waiting again: whatever had been handed it ended before it took it. */
  returned(id: number): void;
  /** A process has the connection. */
  took(id: number, pid: number, when?: When): void;
  /** The connection has ended, also when its process was killed. */
  done(id: number, outcome: Outcome, when?: When): void;
  /** A connection that no process took was closed: no process could be started. */
  refused(id: number, why: string): void;
  /** A process has started: a connection process waits for work, a zygote can fork. */
  started(pid: number, role: ProcessEntry["role"]): void;
  /** A connection process was reaped. */
  reaped(pid: number, exit: Exit, when?: When): void;
  /** A process's memory was rewound after its connection; or else, by `why`, it is replaced. */
  rewound(why: string | null): void;
  zygoteEnded(pid: number, exit: Exit): void;
  /** Something that a person should know went wrong; the model goes on. */
  trouble(what: string): void;
  /** Connections are served in another way from here on, which a person should know. */
  changed(what: string): void;
}

/** How processes rewind their memory. */
export interface RewindState {
  readonly isOn: boolean;
  /** Why they do not; empty where nobody wants it. */
  readonly why: string;
  readonly rewound: number;
  /** How many were replaced, by the reason. */
  readonly replaced: Readonly<Record<string, number>>;
}

/** Such as `on`, `off`, `off: its processes are not forked`. */
export function showRewinding({ isOn, why }: RewindState): string {
  return isOn ? "on" : why === "" ? "off" : `off: ${why}`;
}

const REWOUND = REWINDING.indexOf("rewound");

/** Whether the workers of a pool rewind their memory, and how that goes. */
export class Rewinding implements RewindState {
  readonly #choice: RewindChoice;
  /** Why they do not; undefined where they do. */
  #why: string | undefined;
  readonly #tell: (why: string | null) => void;
  rewound = 0;
  readonly replaced: Record<string, number> = {};

  /** `why`: why it cannot be; undefined where it is to be tried. */
  constructor(
    choice: RewindChoice,
    tell: (why: string | null) => void,
    why?: string,
  ) {
    this.#choice = choice;
    this.#tell = tell;
    this.#why = choice === "off" ? "" : why;
  }

  /** Whether workers that start from here on are to rewind. */
  get isOn(): boolean {
    return this.#why === undefined;
  }

  get why(): string {
    return this.#why ?? "";
  }

  /** The first worker could not: no other will try. Returns whether a person will have nothing else. */
  refuse(why: string): boolean {
    this.#why ??= why;
    return this.#choice === "on";
  }

  /** A worker said `done`. `status`: what it said beside it. Returns whether it can serve another connection. */
  isFit(status: number): boolean {
    if (status === REWOUND) {
      this.rewound++;
      this.#tell(null);
      return true;
    }
    const why = REWINDING[status] || "it said nothing of its memory";
    this.replaced[why] = (this.replaced[why] ?? 0) + 1;
    this.#tell(why);
    return false;
  }
}

/** The ways to end the process of one connection: `stop` aborts a handler's `signal`. */
export type EndSignal = "stop" | "SIGTERM" | "SIGKILL";

/** A source of connection processes. */
export interface ProcessModel {
  /** Its name, as it is typed. */
  readonly name: string;
  /** Whether a process serves one connection after another; else it ends with its first. */
  readonly reusesProcesses: boolean;
  /** How its processes rewind their memory in between; null where a process serves one connection. */
  readonly rewinding: RewindState | null;
  /**
   * Starts the processes that wait ahead of connections. Resolves when connections can be served. Throws `Error` when
   * this system cannot run the model; the message says why.
   */
  start(): Promise<void>;
  /** How many connections no process has been handed yet. */
  readonly waiting: number;
  /** Gives a connection to a process, now or when one is ready. `handoff`: the connection, from here on the model's. */
  serve(handoff: Handoff): void;
  /** Refuses a connection that no process has been handed yet. */
  withdraw(id: number, why: string): void;
  /**
   * Asks or makes the process of one connection end; it serves no other one afterwards. Returns whether that means
   * anything to it: only a handler hears `stop`.
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

export class StartError extends Error {
  override name = "StartError";
  /** The cause: if it is the system, another model may work. */
  readonly failure: Failure;

  constructor(message: string, failure: Failure = "system") {
    super(message);
    this.failure = failure;
  }

  /** Makes an error from the report of a process that cannot serve. */
  static of({ outcome, status }: Report): StartError {
    return new StartError(outcome?.text ?? "", FAILURES[status]);
  }
}

export interface Exit {
  /** Its exit code; 128 and more after a signal; -1 if it is unknown. */
  readonly code: number;
  /** The signal that ended it, such as `SIGKILL`; null when none did. */
  readonly signal: string | null;
}

/** Reads a wait status. */
export function exitOf(status: number): Exit {
  const { code, signal } = decodeStatus(status);
  return { code, signal: signal === 0 ? null : signalName(signal) };
}

/** The outcome of a connection whose process ended without saying one. */
export function exitOutcome(
  { code, signal }: Exit,
  isProgram: boolean,
): Outcome {
  const uncounted = { bytesIn: null, bytesOut: null };
  const text = signal === "SIGSYS"
    ? "SIGSYS: its sandbox does not allow the system call (clone, or one of another architecture)"
    : signal ?? (code < 0 ? "exit code unknown" : `exit code ${code}`);
  if (!isProgram) return { ...uncounted, reason: "killed", text };
  if (code === 0) return { ...uncounted, reason: "closed", text: "" };
  // That is how a program learns that the client is gone.
  const reason = signal === "SIGPIPE" ? "reset" : "program";
  return { ...uncounted, reason, text };
}

/** Where a process can stand. */
export const PROCESS_STATES = [
  /** It is being started or forked. */
  "starting",
  /** It waits: a zygote for something to fork, any other for a connection. */
  "ready",
  /** A connection is on its way to it. */
  "handed",
  /** It has a connection. */
  "serving",
  /** Its connection has ended, and it is about to exit. */
  "finished",
] as const;

export type ProcessState = typeof PROCESS_STATES[number];

/** A process that the server started, directly or through a zygote. */
export interface ProcessEntry {
  /** Its process id; 0 while it is being forked. */
  readonly pid: number;
  /** The process that it came from, or that adopted it. */
  readonly parent: number;
  /** Its role: it serves connections, or forks processes that do. */
  readonly role: "zygote" | "connection";
  readonly state: ProcessState;
  /** Which connection it serves; 0 for none. */
  readonly connection: number;
}
