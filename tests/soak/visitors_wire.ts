/**
 * The wire between a soak and the process that makes its connections: lines of JSON.
 *
 * 1. The process gets a {@linkcode Order} as its argument.
 * 2. Down, on standard input: a {@linkcode Command} a line. The end of it ends the process.
 * 3. Up, on standard output: a {@linkcode Tick} a line, at the start, every second, and when the last
 *    connection of a pause has ended.
 *
 * @module
 */
import type { ServiceKind } from "./stages.ts";
import type { Failure } from "./visit.ts";

/** What to do. */
export interface Order {
  /** The servers, in the order of the stages. */
  readonly targets: readonly {
    readonly port: number;
    readonly service: ServiceKind;
    readonly weight: number;
  }[];
  /** Connections a second, for all servers together. */
  readonly rate: number;
  /** Where chance begins. */
  readonly seed: number;
  /** Milliseconds that a connection may take. */
  readonly patience: number;
}

/** What may be asked for meanwhile. */
export type Command =
  | { readonly kind: "pause" | "resume" }
  | { readonly kind: "burst"; readonly stage: number; readonly count: number };

/** What has happened since the tick before, server by server. */
export interface Tick {
  /** Whether there is no connection at this moment. */
  readonly idle: boolean;
  /** One entry a server. */
  readonly stages: readonly StageTick[];
}

/** What has happened on one server. */
export interface StageTick {
  /** Connections that ended as planned, or not. */
  ended: number;
  /** Those of them that the client reset. */
  reset: number;
  /** Bytes that went out. */
  sent: number;
  /** Bytes that came, each of them checked. */
  received: number;
  /** What did not go as planned. */
  failures: Failure[];
}

/** Nothing has happened. */
export function emptyTick(): StageTick {
  return { ended: 0, reset: 0, sent: 0, received: 0, failures: [] };
}

/** The lines of a stream, each as what its JSON says. */
export async function* readJsonLines<T>(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<T> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}
