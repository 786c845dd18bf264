/**
 * Counts a server's events as OpenTelemetry metrics. The runtime exports them (OTLP); this is loaded only
 * where it does. Every instrument is written to as things happen: those that are asked at an export
 * would miss the last one, at the end of the process.
 *
 * @module
 */
import { type Attributes, metrics } from "@opentelemetry/api";
import manifest from "../../../deno.json" with { type: "json" };
import type { Exit } from "../../model/model.ts";
import type {
  ConnectionInfo,
  RefusalReason,
  ServerReceiver,
} from "../../server/events.ts";
import type { Outcome } from "../../wire/records.ts";

/** Bounds of the handover's buckets, in seconds: a pool's tenths of a millisecond to a busy machine's seconds. */
const HANDOVER_BOUNDS = [
  ...[0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005],
  ...[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
];
/** Bounds of a connection's buckets, in seconds: a request's millisecond to a day. */
const DURATION_BOUNDS = [
  ...[0.001, 0.01, 0.1, 1, 10],
  ...[60, 600, 3_600, 21_600, 86_400],
];
const MODEL = "mpserv.model";
const REASON = "mpserv.reason";
const DIRECTION = "network.io.direction"; // OpenTelemetry's semantic conventions

/** Counts and measures the events of a server. */
export class Metrics implements ServerReceiver {
  readonly #instruments = makeInstruments();
  /** The model of new connections: another one may replace it. */
  #modelNow = () => "";
  /** Which model has each connection, and each process that has had one. */
  readonly #connections = new Map<number, string>();
  readonly #processes = new Map<number, string>();

  /** Says which model serves, before anything is counted. */
  begin(model: () => string): void {
    this.#modelNow = model;
    const { accepted, served, active } = this.#instruments;
    for (const known of [accepted, served, active]) known.add(0, of(model()));
  }

  accepted({ id }: ConnectionInfo): void {
    const model = this.#modelNow();
    this.#connections.set(id, model);
    this.#instruments.accepted.add(1, of(model));
    this.#instruments.active.add(1, of(model));
  }

  rejected(_peer: string, reason: RefusalReason): void {
    const model = this.#modelNow();
    this.#instruments.accepted.add(1, of(model));
    this.#instruments.refused.add(1, of(model, { [REASON]: reason }));
  }

  connected({ id, pid, acceptedAt }: ConnectionInfo): void {
    const model = this.#connections.get(id) ?? this.#modelNow();
    this.#processes.set(pid, model);
    this.#instruments.served.add(1, of(model));
    const seconds = (performance.now() - acceptedAt) / 1000;
    this.#instruments.handover.record(seconds, of(model));
  }

  disconnected(
    { id }: ConnectionInfo,
    { bytesIn, bytesOut, reason }: Outcome,
    milliseconds: number,
  ): void {
    const model = this.#leave(id);
    const { active, duration, io } = this.#instruments;
    const with_ = (more: Attributes) => of(model, more);
    active.add(-1, of(model));
    duration.record(milliseconds / 1000, with_({ [REASON]: reason }));
    if (bytesIn !== null) io.add(bytesIn, with_({ [DIRECTION]: "receive" }));
    if (bytesOut !== null) io.add(bytesOut, with_({ [DIRECTION]: "transmit" }));
  }

  refused({ id }: ConnectionInfo): void {
    const reason: RefusalReason = "no-process";
    const model = this.#leave(id);
    this.#instruments.active.add(-1, of(model));
    this.#instruments.refused.add(1, of(model, { [REASON]: reason }));
  }

  removed(pid: number, { code, signal }: Exit): void {
    const model = this.#processes.get(pid) ?? this.#modelNow();
    this.#processes.delete(pid);
    const reason = signal ?? (code < 0 ? "unknown" : `code ${code}`);
    this.#instruments.exits.add(1, of(model, { [REASON]: reason }));
  }

  /** A process's memory was rewound, or the process is replaced. */
  rewound(why: string | null): void {
    const model = this.#modelNow(), { rewinds, replaced } = this.#instruments;
    if (why === null) rewinds.add(1, of(model));
    else replaced.add(1, of(model, { [REASON]: why }));
  }

  #leave(id: number): string {
    const model = this.#connections.get(id) ?? this.#modelNow();
    this.#connections.delete(id);
    return model;
  }
}

function of(model: string, more: Attributes = {}): Attributes {
  return { [MODEL]: model, ...more };
}

function makeInstruments() {
  const meter = metrics.getMeter("mpserv", manifest.version);
  const connections = { unit: "{connection}" };
  return {
    accepted: meter.createCounter("mpserv.connections.accepted", {
      ...connections,
      description: "Accepted connections",
    }),
    refused: meter.createCounter("mpserv.connections.refused", {
      ...connections,
      description: "Refused connections",
    }),
    served: meter.createCounter("mpserv.connections.served", {
      ...connections,
      description: "Served connections",
    }),
    active: meter.createUpDownCounter("mpserv.connections.active", {
      ...connections,
      description: "Open connections",
    }),
    handover: meter.createHistogram("mpserv.handover.duration", {
      unit: "s",
      description: "Time from accept until a process has the connection",
      advice: { explicitBucketBoundaries: HANDOVER_BOUNDS },
    }),
    duration: meter.createHistogram("mpserv.connection.duration", {
      unit: "s",
      description: "Time from accept to the end of the connection",
      advice: { explicitBucketBoundaries: DURATION_BOUNDS },
    }),
    io: meter.createCounter("mpserv.connection.io", {
      unit: "By",
      description: "Bytes of ended connections",
    }),
    rewinds: meter.createCounter("mpserv.process.rewinds", {
      unit: "{process}",
      description: "Processes whose memory was rewound after a connection",
    }),
    replaced: meter.createCounter("mpserv.process.replaced", {
      unit: "{process}",
      description: "Processes whose memory could not be rewound",
    }),
    exits: meter.createCounter("mpserv.process.exits", {
      unit: "{process}",
      description: "Reaped processes",
    }),
  };
}
