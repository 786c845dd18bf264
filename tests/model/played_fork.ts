/**
 * `fork` with zygotes that the test plays: what the model does is seen step by step.
 *
 * @module
 */
import { ForkModel } from "../../src/model/fork.ts";
import type { Handoff } from "../../src/model/model.ts";
import type { Zygote } from "../../src/model/zygote.ts";
import type { SupervisorEvents } from "../../src/model/zygote_supervisor.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { socketPair } from "../../src/posix/net/sockets.ts";
import type { ServiceChoice } from "../../src/wire/choices.ts";
import type { Handover, Outcome } from "../../src/wire/records.ts";
import { done, exited, took } from "../../src/wire/tell.ts";
import { PlayedZygote } from "./played_zygotes.ts";

const CLOSED: Outcome = {
  bytesIn: 1,
  bytesOut: 2,
  reason: "closed",
  text: "",
};

/** A model, its played zygotes, and what it did. */
export class ForkStage implements Disposable {
  readonly model: ForkModel;
  /** The events that the model receives from its zygotes. */
  tell!: SupervisorEvents;
  /** Which zygote gets the next connection; null for none, an error where the system refuses. */
  next: Zygote | null | Error = new PlayedZygote(100, null as never, () => {});
  /** The connections handed over, by id. */
  readonly handed = new Map<number, Handover>();
  readonly living = new Set<number>();
  /** The program that a zygote did not live to tell of. */
  startedFor: number | null = null;
  readonly #seen: string[] = [];
  readonly #connections: Fd[] = [];
  #last = 0;

  constructor(service: ServiceChoice = { name: "echo" }) {
    const say = (...words: unknown[]) => void this.#seen.push(words.join(" "));
    const zygotes = (events: SupervisorEvents) => {
      this.tell = events;
      return {
        start: () => Promise.resolve(),
        send: (handover: Handover) => {
          if (this.next instanceof Error) throw this.next;
          if (this.next !== null) {
            this.handed.set(handover.id, {
              ...handover,
              secret: handover.secret.slice(),
            });
          }
          return this.next;
        },
        born: (_: number, pid: number) => void this.living.add(pid),
        has: (pid: number) => this.living.has(pid),
        processes: () => [],
        parentOf: () => this.zygote.pid,
        startedFor: () => this.startedFor,
        signal: (pid: number, signal: number, group = false) =>
          say(group ? "signal group" : "signal", pid, signal),
        punish: (pid: number) => say("punish", pid),
        end: () => true,
        endZygoteOf: (pid: number) => say("end zygote of", pid),
        drain: () => say("drain"),
        kill: () => say("kill zygotes"),
        ended: () => Promise.resolve(),
      };
    };
    this.model = new ForkModel({ service }, zygotes, {
      handed: (id, pid) => say("handed", id, pid),
      returned: (id) => say("returned", id),
      started: (pid, role) => say("started", pid, role),
      rewound: () => undefined,
      zygoteEnded: (pid, { signal }) => say("zygote ended", pid, signal),
      took: (id, pid) => say("took", id, pid),
      done: (id, { reason, text }) => say("done", id, reason, text),
      refused: (id, why) => say("refused", id, why),
      reaped: (pid, { code, signal }) => say("reaped", pid, signal ?? code),
      trouble: (what) => say("trouble", what),
      changed: (what) => say("changed", what),
    });
  }

  readonly zygote = this.next as Zygote;

  /** A client has come. */
  connect(): Handoff {
    const [fd, client] = socketPair();
    this.#connections.push(fd, client);
    const sockaddr = new Uint8Array(0);
    const handoff = { id: ++this.#last, fd, sockaddr, lost: 0 };
    this.model.serve(handoff);
    return handoff;
  }

  /** A child takes what it was forked for. */
  takes(id: number, pid: number, from = this.zygote): void {
    this.tell.childReport(from, pid, took(this.handed.get(id)!));
  }

  /** A child says that it is done. */
  isDone(id: number, pid: number): void {
    this.tell.childReport(
      this.zygote,
      pid,
      done(this.handed.get(id)!, CLOSED),
    );
  }

  /** A child is reaped by its zygote. */
  isReaped(id: number, pid: number, status = 0): void {
    this.living.delete(pid);
    this.tell.report(this.zygote, exited(id, pid, status));
  }

  states(): string[] {
    return [...this.model.processes()].map(({ pid, state, connection }) =>
      `${pid} ${state} ${connection}`
    );
  }

  /** The events and actions since the previous call. */
  news(): string[] {
    return this.#seen.splice(0);
  }

  [Symbol.dispose](): void {
    this.model.kill("SIGTERM");
    void this.model.ended();
    for (const fd of this.#connections) if (fd.isOpen) fd.close();
  }
}
