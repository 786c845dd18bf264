/**
 * An error as one short line: what it is, what it says, and where a person must look.
 *
 * @module
 */

import {
  encode,
  encodeInto,
  Error,
  exec,
  isA,
  lengthOf,
  replace,
  SafePattern,
  slice,
  startsWith,
  trim,
  Uint8Array,
} from "../posix/intrinsics.ts";

const { inspect } = Deno;
/** Where our own modules are: a place in them is no help to whoever wrote the handler. */
const OURS_PATH = new URL("../", import.meta.url).pathname;
const PLACE = new SafePattern(/(?:file|data|blob|https?):[^\s()]+:\d+:\d+/g);
const SPACES = new SafePattern(/\s+/g);
/** Bytes that travel in a report. */
const MOST = 200;
/** Of a long path its end is kept, so that something of the message is, too. */
const MOST_PLACE = 120;

/**
 * Describes whatever was thrown.
 *
 * @param most How many bytes it may have.
 */
export function describeError(error: unknown, most = MOST): string {
  try {
    if (!isA(error, Error)) return clip(oneLine(show(error)), most);
    const text = oneLine(`${error.name}: ${error.message}`);
    const place = placeOf(error);
    if (place === undefined) return clip(text, most);
    const end = ` at ${slice(place, -MOST_PLACE)}`;
    return clip(text, most - lengthOf(encode(end))) + end;
  } catch {
    return "an error that cannot be shown"; // its own code threw
  }
}

function show(thrown: unknown): string {
  return typeof thrown === "string" ? thrown : inspect(thrown);
}

function placeOf(error: Error): string | undefined {
  return placeOutside(error) ?? firstPlace(error, () => true);
}

/**
 * Where in a handler's code an error comes from.
 *
 * @returns `file:line:column`; undefined when only our own modules are known to have been running.
 */
export function placeOutside(error: Error): string | undefined {
  return firstPlace(error, (place) => !startsWith(place, OURS_PATH));
}

function firstPlace(
  { stack }: Error,
  isWanted: (place: string) => boolean,
): string | undefined {
  const text = `${stack ?? ""}`;
  PLACE.lastIndex = 0;
  for (let found; (found = exec(PLACE, text)) !== null;) {
    const place = replace(found[0], "file://", "");
    if (isWanted(place)) return place;
  }
  return undefined;
}

/** A text without the ends of its lines. */
export function oneLine(text: string): string {
  return trim(replace(text, SPACES, " "));
}

/** As much of a text as fits, whole characters. */
function clip(text: string, bytes: number): string {
  const room = new Uint8Array(bytes);
  const { read } = encodeInto(text, room);
  return slice(text, 0, read);
}
