/**
 * Bytes that a handler gives, as they are and not as they say they are: an object may call itself a
 * `Uint8Array`, or one may have a `length` of its own, and the system would read or write beyond it.
 *
 * @module
 */

/** Bytes that are what they seem. */
export type Bytes = Uint8Array<ArrayBuffer>;

const { prototype } = Uint8Array;
const View = Object.getPrototypeOf(prototype);
/** The runtime's own getters, whatever a handler puts in their place. */
const kindOf = getter(View, Symbol.toStringTag);
const bufferOf = getter(View, "buffer");
const offsetOf = getter(View, "byteOffset");
const sizeOf = getter(View, "byteLength");
const ofDataView = {
  buffer: getter(DataView.prototype, "buffer"),
  offset: getter(DataView.prototype, "byteOffset"),
  size: getter(DataView.prototype, "byteLength"),
};
const { isView } = ArrayBuffer;
const Plain = Uint8Array;

/**
 * How many bytes there are at this moment.
 *
 * @param bytes The bytes; none are left where their buffer was transferred or has shrunk.
 * @returns The number.
 */
export const lengthOf = sizeOf as (bytes: Bytes) => number;

/**
 * What a method of a connection was given, where `Deno.Conn` takes a `Uint8Array` and nothing else.
 *
 * @param value Whatever was given.
 * @param verb What was to be done with it, for the message.
 * @returns The same bytes.
 * @throws {TypeError} When it is something else.
 */
export function bytesOf(value: unknown, verb: "write" | "read into"): Bytes {
  if (kindOf(value) === "Uint8Array") return plain(value);
  throw new TypeError(
    `Cannot ${verb} ${nameOf(value)}: give the connection a Uint8Array`,
  );
}

/**
 * What a writable stream was given: all that has bytes, as `Deno.Conn` takes it there.
 *
 * @param value Whatever was given.
 * @returns Its bytes.
 * @throws {TypeError} When it has none.
 */
export function bytesOfAny(value: unknown): Bytes {
  if (kindOf(value) !== undefined) return plain(value);
  if (isView(value)) {
    return new Plain(
      ofDataView.buffer(value) as ArrayBuffer,
      ofDataView.offset(value) as number,
      ofDataView.size(value) as number,
    );
  }
  const isBuffer = value instanceof ArrayBuffer ||
    value instanceof SharedArrayBuffer;
  if (isBuffer) return new Plain(value as ArrayBuffer);
  throw new TypeError(
    `Cannot write ${
      nameOf(value)
    }: give the stream an ArrayBuffer or a view of one`,
  );
}

/**
 * What is left of bytes.
 *
 * @param bytes The bytes.
 * @param count How many of them are done with.
 * @returns The others; none where there are no more as many.
 */
export function bytesAfter(bytes: Bytes, count: number): Bytes {
  const left = Math.max(0, lengthOf(bytes) - count);
  if (left === 0) return NONE;
  return new Plain(
    bufferOf(bytes) as ArrayBuffer,
    (offsetOf(bytes) as number) + count,
    left,
  );
}

const NONE = new Uint8Array(0);

/** A view of the same memory that is of no class but the runtime's. */
function plain(view: unknown): Bytes {
  const size = sizeOf(view) as number;
  if (size === 0) return NONE; // its buffer may be gone
  return new Plain(
    bufferOf(view) as ArrayBuffer,
    offsetOf(view) as number,
    size,
  );
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== "object") return `a ${typeof value}`;
  const name = kindOf(value) ??
    Object.prototype.toString.call(value).slice(8, -1);
  return /^[AEIO]/.test(String(name)) ? `an ${name}` : `a ${name}`;
}

function getter(
  of: object,
  name: string | symbol,
): (value: unknown) => unknown {
  const { get } = Object.getOwnPropertyDescriptor(of, name)!;
  return Function.prototype.call.bind(get!);
}
