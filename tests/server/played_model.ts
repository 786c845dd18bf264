/**
 * A server whose processes the test plays: what the server does is seen step by step.
 *
 * @module
 */
import type { Outcome } from "../../src/wire/records.ts";
import type {
  EndSignal,
  Handoff,
  ModelEvents,
  ProcessModel,
} from "../../src/model/model.ts";
import type { AdmissionOptions } from "../../src/server/admission.ts";
import type { GateOptions } from "../../src/server/gate.ts";
import { openListener } from "../../src/server/listener.ts";
import { startServer } from "../../src/server/server.ts";

/** No limits. */
export const UNLIMITED: AdmissionOptions = {
  maxConnections: Infinity,
  overload: "wait",
  maxPerSource: Infinity,
  sourcePrefix: { ipv4: 32, ipv6: 64 },
  allow: [],
  deny: [],
  exempt: [],
};

const CLOSED: Outcome = {
  bytesIn: 0,
  bytesOut: 0,
  reason: "closed",
  text: "",
};

/** A model without processes. */
export class PlayedModel implements ProcessModel {
  readonly name = "played";
  readonly reusesProcesses: boolean;
  readonly rewinding = null;
  readonly waiting = 0;
  /** Connections that nobody took yet, oldest first. */
  readonly handoffs: Handoff[] = [];
  /** The requested signals. */
  readonly signals: [pid: number, signal: EndSignal][] = [];
  readonly #events: ModelEvents;

  constructor(events: ModelEvents, reusesProcesses: boolean) {
    this.#events = events;
    this.reusesProcesses = reusesProcesses;
  }

  /** A process takes the oldest connection. */
  take(pid: number): number {
    const { id, fd } = this.handoffs.shift()!;
    fd.close();
    this.#events.took(id, pid);
    return id;
  }

  /** A connection ends. */
  finish(id: number, outcome = CLOSED): void {
    this.#events.done(id, outcome);
  }

  /** A process is reaped. */
  reap(pid: number): void {
    this.#events.reaped(pid, { code: 0, signal: null });
  }

  serve(handoff: Handoff): void {
    this.handoffs.push(handoff);
  }

  withdraw(id: number, why: string): void {
    const at = this.handoffs.findIndex((handoff) => handoff.id === id);
    if (at < 0) return;
    this.handoffs.splice(at, 1)[0]!.fd.close();
    this.#events.refused(id, why);
  }

  end(pid: number, signal: EndSignal): boolean {
    this.signals.push([pid, signal]);
    return true;
  }

  /** What else was asked of it. */
  readonly asked: string[] = [];
  /** Resolves when its processes have ended; the test may put another one here. */
  over: Promise<void> = Promise.resolve();

  start = () => Promise.resolve();
  ended = () => this.over;
  processes = () => [];
  askToStop(): void {
    this.asked.push("stop");
  }
  retire(): void {
    this.asked.push("retire");
  }
  kill(signal: string): void {
    this.asked.push(signal);
  }
}

/** A server on a free port of 127.0.0.1 with such a model. */
export async function playServer(
  options: {
    gate?: Partial<GateOptions>;
    reusesProcesses?: boolean;
    drainTimeout?: number;
  } = {},
) {
  const listener = await openListener({
    host: "127.0.0.1",
    port: 0,
    backlog: 64,
  });
  let model!: PlayedModel;
  const server = await startServer({
    listener,
    model: (_, events) => {
      model = new PlayedModel(events, options.reusesProcesses ?? false);
      return Promise.resolve({ model });
    },
    gate: { ...UNLIMITED, busyMessage: new Uint8Array(0), ...options.gate },
    drainTimeout: options.drainTimeout ?? 0,
    receivers: [],
  });
  const stop = new AbortController();
  const hurry = new AbortController();
  const running = server.run(stop.signal, hurry.signal);
  const { port } = listener.address as Deno.NetAddr;
  const end = async () => {
    stop.abort();
    await running;
  };
  const control = { stop: () => stop.abort(), hurry: () => hurry.abort() };
  return {
    server,
    model,
    port,
    listener,
    running,
    ...control,
    [Symbol.asyncDispose]: end,
  };
}
