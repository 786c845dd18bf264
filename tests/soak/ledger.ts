/**
 * What clients saw and what the server's log says, held against each other: every connection, every
 * process, every warning must have been meant or be explained by a fault that was injected.
 *
 * @module
 */
import type { LogLine } from "../helpers/log_reader.ts";
import type { Stage } from "./stages.ts";
import type { Failure } from "./visit.ts";
import type { StageTick } from "./visitors_wire.ts";

/** A fault explains what happens to its process for so long, in milliseconds: pids are used again. */
const EXPLAINS = 60_000;
/** So many of a kind are told; the rest is counted. */
const MOST_TOLD = 5;

/** What `client disconnected...` says of connections that ended as they should. */
const GOOD_REASONS = new Set(["closed", "reset"]);
/** What is said once of a program that fails at its start. */
const OF_PROGRAMS = /^A program exited soon after its start \((.*?)\)/;
/** Warnings that killing processes brings about, beside those that name a process. */
const OF_KILLS = /^A connection process exited before it was ready$/;

/** The books of one server. */
export class Ledger {
  /** Connections that clients have made and ended. */
  ended = 0;
  /** Bytes that clients sent. */
  sent = 0;
  /** Bytes that came back and were checked. */
  received = 0;
  /** Connections that ended early since their process was killed. */
  killed = 0;
  /** Connections that the log says were taken. */
  connected = 0;
  /** Connections that the log says have ended. */
  disconnected = 0;
  /** Processes that the log says were reaped. */
  removed = 0;
  readonly #stage: Stage;
  readonly #now: () => number;
  #reset = 0;
  readonly #struck = new Map<number, number>();
  /** Peers of connections whose process was killed, which no client has missed yet. */
  readonly #lost = new Map<string, number>();
  /** Connections that clients miss and the log has not explained yet. */
  readonly #missed = new Map<string, { failure: Failure; at: number }>();
  readonly #problems = new Map<string, string[]>();

  /**
   * @param stage The server.
   * @param now The time in milliseconds.
   */
  constructor(stage: Stage, now: () => number = () => performance.now()) {
    this.#stage = stage;
    this.#now = now;
  }

  /** A fault is about to be done to a process. */
  strike(pid: number): void {
    this.#struck.set(pid, this.#now());
  }

  /** What clients saw. */
  add({ ended, reset, sent, received, failures }: StageTick): void {
    this.ended += ended;
    this.#reset += reset;
    this.sent += sent;
    this.received += received;
    for (const failure of failures) {
      const at = this.#now();
      if (!failure.mayBeKilled) this.problem("client", failure.what);
      else if (isNear(this.#lost.get(failure.peer), at)) {
        this.#lost.delete(failure.peer);
        this.killed++;
      } else this.#missed.set(failure.peer, { failure, at });
    }
  }

  /** A line of the server's log; says whether it is worth keeping. */
  hear(line: LogLine): boolean {
    const { message, level } = line;
    if (message === "new client connected...") this.connected++;
    else if (message === "client disconnected...") this.#disconnected(line);
    else if (message.startsWith("removed proc id")) this.#removed(line);
    else {
      if (/^(WARN|ERROR)/.test(level)) this.#warned(line);
      return true;
    }
    return false;
  }

  /** Something is wrong. */
  problem(kind: string, what: string): void {
    const all = this.#problems.get(kind) ?? [];
    this.#problems.set(kind, all);
    all.push(what);
  }

  /** Holds both sides against each other when all is quiet. */
  balance(): void {
    for (const [peer, { failure }] of this.#missed) {
      this.problem("lost", `${failure.what}, and nobody killed it: ${peer}`);
    }
    this.#missed.clear();
    this.#lost.clear();
    const { ended, connected, disconnected, removed } = this;
    if (connected !== disconnected) {
      this.problem("log", `${connected} connected, ${disconnected} ended`);
    }
    // One that is reset at once may be gone before anybody could take it.
    if (connected > ended || connected < ended - this.#reset) {
      this.problem("log", `${ended} made, ${connected} in the log`);
    }
    if (this.#stage.model !== "pool" && removed < connected) {
      this.problem("log", `${connected} served, ${removed} processes reaped`);
    }
  }

  /** All that is wrong, in lines. */
  problems(): string[] {
    return [...this.#problems].flatMap(([kind, all]) => {
      const rest = all.length - MOST_TOLD;
      return [
        ...all.slice(0, MOST_TOLD).map((what) => `${kind}: ${what}`),
        ...rest > 0 ? [`${kind}: ${rest} more`] : [],
      ];
    });
  }

  #disconnected({ reason, pid, peer }: LogLine): void {
    this.disconnected++;
    const text = String(reason);
    if (GOOD_REASONS.has(text)) return;
    if (!this.#isStruck(Number(pid))) {
      if (!this.#isProgramsOwn(text)) {
        this.problem("log", `connection of process ${pid} ended: ${text}`);
      }
      return;
    }
    const key = String(peer);
    if (this.#missed.delete(key)) this.killed++;
    else this.#lost.set(key, this.#now());
  }

  /** `cat` fails when its client resets; nobody knows how it ended when its zygote died with the word. */
  #isProgramsOwn(reason: string): boolean {
    return this.#stage.args.includes("--") &&
      ["exit code 1", "exit code unknown"].includes(reason);
  }

  #removed({ message, signal }: LogLine): void {
    this.removed++;
    const pid = Number(message.split(" ").at(-1));
    if (signal !== undefined && !this.#isStruck(pid)) {
      this.problem("log", `process ${pid} ended by ${signal}`);
    }
  }

  #warned({ message, why, level }: LogLine): void {
    const pid = Number(/\bzygote (\d+)\b/i.exec(message)?.[1] ?? 0);
    if (this.#isStruck(pid) || OF_KILLS.test(message)) return;
    const early = OF_PROGRAMS.exec(message);
    if (early && this.#isProgramsOwn(early[1]!)) return;
    this.problem("log", `${level} ${message}${why ? `: ${why}` : ""}`);
  }

  #isStruck(pid: number): boolean {
    return isNear(this.#struck.get(pid), this.#now());
  }
}

function isNear(at: number | undefined, now: number): boolean {
  return at !== undefined && now - at <= EXPLAINS;
}
