/**
 * Values that a person types: ports, durations, sizes, counts. Each parser throws a `RangeError`
 * that names the value and what is wanted.
 *
 * @module
 */

/** Where a server listens, and a client connects to, unless told otherwise. */
export const DEFAULT_HOST = "127.0.0.1";
/** The TCP port of both. */
export const DEFAULT_PORT = 9190;
/** Names of ports: services(5). */
const SERVICES = "/etc/services";

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};
// Longer than any timer: setTimeout and poll(2) take 2^31 - 1 ms at most.
const MAX_DURATION = 2 ** 31 - 1;

/** A name that a service may have (RFC 6335, 5.1), and some that are older: it has a letter. */
const SERVICE_NAME = /^(?=.*[a-z])[a-z0-9][a-z0-9+._-]*$/i;

/** A TCP port. Throws `RangeError` when it is none. */
export function parsePort(text: string, least: 0 | 1 = 0): number {
  const wanted = `expected a whole number from ${least} to 65535`;
  if (SERVICE_NAME.test(text)) return portOfService(text, wanted);
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (least <= port && port <= 65535) return port;
  throw new RangeError(`Cannot use port "${text}": ${wanted}`);
}

/** The port of a service in services(5), only TCP. */
function portOfService(name: string, wanted: string): number {
  let text: string;
  try {
    text = Deno.readTextFileSync(SERVICES);
  } catch (error) {
    throw new RangeError(
      `Cannot use port "${name}": ${wanted}; a name needs ${SERVICES} (${
        (error as Error).message
      })`,
    );
  }
  for (const line of text.split("\n")) {
    const [own, port, ...aliases] = line.split("#")[0]!.trim().split(/\s+/);
    const [, number] = /^(\d{1,5})\/tcp$/.exec(port ?? "") ?? [];
    if (number !== undefined && [own, ...aliases].includes(name)) {
      return Number(number);
    }
  }
  throw new RangeError(
    `Cannot use port "${name}": ${wanted}, or a name of a TCP service in ${SERVICES}`,
  );
}

/** An address or a name of a machine. Throws `RangeError` when it is none: nothing, or a port where a host is due. */
export function parseHost(text: string): string {
  const host = text.trim().replace(/^\[(.+)\]$/, "$1");
  const [, alone, port] = /^([^:]+|\[.+\]):(\d+)$/.exec(text) ?? [];
  if (alone !== undefined) {
    throw new RangeError(
      `Cannot use host "${text}": expected host and port as two words, such as ${alone} ${port}`,
    );
  }
  if (/^\d{1,5}$/.test(host)) {
    throw new RangeError(
      `Cannot use host "${text}": expected a host before the port, such as ${DEFAULT_HOST} ${text}`,
    );
  }
  if (host !== "") return host;
  throw new RangeError(
    `Cannot use host "${text}": expected an address or a name`,
  );
}

/** A whole number with a lower bound. Throws `RangeError` when it is none or too small. */
export function parseCount(text: string, what: string, least = 0): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (count >= least) return count;
  throw new RangeError(
    `Cannot use ${what} "${text}": expected a whole number of at least ${least}`,
  );
}

/**
 * A duration such as `500ms`, `1.5s`, `5m`, `2h`. Returns milliseconds, whole. Throws `RangeError` when it is none,
 * has no unit, or is longer than 24 days.
 */
export function parseDuration(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const milliseconds = Math.round(
    Number(number) * (DURATION_UNITS[unit ?? ""] ?? NaN),
  );
  if (milliseconds <= MAX_DURATION) return milliseconds;
  if (text === "0") return 0;
  throw new RangeError(
    `Cannot use duration "${text}": expected a number and a unit, such as 500ms, 30s, 5m (24 days at most)`,
  );
}

/** A duration as a person reads it. For example `500ms`, `30s`, `1.5s`. */
export function formatDuration(milliseconds: number): string {
  return milliseconds < 1000
    ? `${Math.round(milliseconds)}ms`
    : `${milliseconds / 1000}s`;
}

/** A size such as `4096`, `64KiB`, `1MB`. Returns bytes, whole. Throws `RangeError` when it is none. */
export function parseSize(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(text) ?? [];
  const bytes = Math.round(Number(number) * (SIZE_UNITS[unit ?? "?"] ?? NaN));
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new RangeError(
    `Cannot use size "${text}": expected a number and a unit, such as 4096, 64KiB, 1MB`,
  );
}

/** A path from the root, with no `.` and `..` in it. Returns the same file, unless a `..` follows a symbolic link. */
export function absolute(path: string): string {
  const parts: string[] = [];
  const whole = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  for (const part of whole.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
