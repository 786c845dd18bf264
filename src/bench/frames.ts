/**
 * The wire between the coordinating process and its load processes.
 *
 * 1. A load process gets its share as JSON in an argument, and says `ready` when it can begin.
 * 2. Down, on its standard input: one byte each time that it may go on. The first starts the load; a
 *    `hold` has two more, see 4.
 * 3. Up, on its standard output: frames. A frame is two 32-bit numbers (bytes of JSON, number of
 *    latencies), the JSON, and the latencies as 32-bit floats in microseconds; little-endian, since both
 *    ends are the same machine. Every latency travels: the coordinating process has the histogram, so
 *    that no package is loaded here and nothing is rounded before it is merged.
 * 4. `tick` tells what came since the frame before; `held` that every connection of a `hold` was served
 *    and stays, and again that each was served once more; `end` is the last frame, and then the process exits.
 * 5. A load process whose output nobody reads any more ends at its next frame; one that waits for a
 *    byte ends at the end of its input.
 *
 * @module
 */

/** How often something came to nothing, by what it was. */
export type Failures = Record<string, number>;

/** What a load process tells. */
export interface Frame {
  /** What it is about. */
  readonly kind: "ready" | "tick" | "held" | "end";
  /** Milliseconds since the load began. */
  readonly at: number;
  /** Requests that were answered since the frame before, in the time that is measured. */
  readonly done: number;
  /** Bytes that came back since the frame before, in the time that is measured. */
  readonly bytes: number;
  /** What came to nothing since the frame before, at any time. */
  readonly failures: Failures;
  /** `end`: milliseconds of processor time that the process used; null where the system does not say. */
  readonly processorTime: number | null;
  /** Latencies of answered requests, microseconds. */
  readonly latencies: Float32Array<ArrayBuffer>;
}

const HEAD = 8;

/**
 * Writes a frame.
 *
 * @returns Its bytes.
 */
export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  const { latencies, ...rest } = frame;
  const json = new TextEncoder().encode(JSON.stringify(rest));
  const bytes = new Uint8Array(HEAD + json.length + latencies.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, json.length, true);
  view.setUint32(4, latencies.length, true);
  bytes.set(json, HEAD);
  const { buffer, byteOffset, byteLength } = latencies;
  bytes.set(new Uint8Array(buffer, byteOffset, byteLength), HEAD + json.length);
  return bytes;
}

/**
 * Reads the frames of a load process to the end of its output.
 *
 * @yields Each frame.
 * @throws {TypeError} When it ends inside a frame.
 */
export async function* readFrames(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Frame> {
  let waiting = new Uint8Array(0);
  for await (const chunk of stream) {
    waiting = joined(waiting, chunk);
    for (let size; (size = frameSize(waiting)) <= waiting.length;) {
      yield decodeFrame(waiting.slice(0, size));
      waiting = waiting.subarray(size);
    }
  }
  if (waiting.length > 0) {
    throw new TypeError("Cannot read a load process: it ended inside a frame");
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Bytes of the frame that begins here; Infinity when not even its head is there. */
function frameSize(bytes: Uint8Array<ArrayBuffer>): number {
  if (bytes.length < HEAD) return Infinity;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return HEAD + view.getUint32(0, true) + 4 * view.getUint32(4, true);
}

function decodeFrame(bytes: Uint8Array<ArrayBuffer>): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const end = HEAD + view.getUint32(0, true);
  const rest = JSON.parse(new TextDecoder().decode(bytes.slice(HEAD, end)));
  // The copy begins where a float may: at a multiple of four.
  return { ...rest, latencies: new Float32Array(bytes.slice(end).buffer) };
}
