/**
 * An error as one short line: what it is, what it says, and where a person must look.
 *
 * @module
 */

/** Where our own modules are: a place in them is no help to whoever wrote the handler. */
const OURS_PATH = new URL("../", import.meta.url).pathname;
const PLACE = /((?:file|data|blob|https?):[^\s()]+:\d+:\d+)/g;
/** Bytes that travel in a report. */
const MOST = 200;
/** Of a long path its end is kept, so that something of the message is, too. */
const MOST_PLACE = 120;

/**
 * Describes whatever was thrown.
 *
 * @param error Anything.
 * @param most How many bytes it may have.
 * @returns One line, with the file and line that it came from if they are known.
 */
export function describeError(error: unknown, most = MOST): string {
  try {
    if (!(error instanceof Error)) return clip(oneLine(show(error)), most);
    const text = oneLine(`${error.name}: ${error.message}`);
    const place = placeOf(error);
    if (place === undefined) return clip(text, most);
    const end = ` at ${place.slice(-MOST_PLACE)}`;
    return clip(text, most - new TextEncoder().encode(end).length) + end;
  } catch {
    return "an error that cannot be shown"; // its own code threw
  }
}

function show(thrown: unknown): string {
  return typeof thrown === "string" ? thrown : Deno.inspect(thrown);
}

function placeOf(error: Error): string | undefined {
  return placeOutside(error) ?? placesOf(error)[0];
}

/**
 * Where in a handler's code an error comes from.
 *
 * @param error The error.
 * @returns `file:line:column`; undefined when only our own modules are known to have been running.
 */
export function placeOutside(error: Error): string | undefined {
  return placesOf(error).find((place) => !place.startsWith(OURS_PATH));
}

function placesOf({ stack }: Error): string[] {
  return [...(stack ?? "").matchAll(PLACE)].map(([place]) =>
    place.replace("file://", "")
  );
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

/** As much of a text as fits, whole characters. */
function clip(text: string, bytes: number): string {
  const room = new Uint8Array(bytes);
  const { read } = new TextEncoder().encodeInto(text, room);
  return text.slice(0, read);
}
