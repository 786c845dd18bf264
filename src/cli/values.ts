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

/** Permission bits in octal, as umask(1) takes them. Returns 0 to 0o777. Throws `RangeError` when it is none. */
export function parseUmask(text: string): number {
  if (/^0?[0-7]{1,3}$/.test(text)) return parseInt(text, 8);
  throw new RangeError(
    `Cannot use umask "${text}": expected octal digits, such as 027`,
  );
}

/** A nice value, as renice(1) takes it. Returns -20 to 19. Throws `RangeError` when it is none. */
export function parseNice(text: string): number {
  const value = /^-?\d{1,2}$/.test(text) ? Number(text) : NaN;
  if (-20 <= value && value <= 19) return value;
  throw new RangeError(
    `Cannot use nice value "${text}": expected a whole number from -20 to 19`,
  );
}

/**
 * A rate such as `100/1s`, `5/1m`, `100/1s:500`. Returns so many in so many milliseconds, and so many at once: as
 * many as the first number if not said. Throws `RangeError` when it is none.
 */
export function parseRate(
  text: string,
): { count: number; per: number; burst: number } {
  const [, count, time, burst] =
    /^(\d{1,9})\/(\d+(?:\.\d+)?[a-z]+)(?::(\d{1,9}))?$/.exec(text) ?? [];
  const rate = {
    count: Number(count),
    per: time === undefined ? NaN : parseDuration(time),
    burst: Number(burst ?? count),
  };
  if (rate.count > 0 && rate.per > 0 && rate.burst > 0) return rate;
  throw new RangeError(
    `Cannot use rate "${text}": expected connections, a time, and a burst if there is one, such as 100/1s or 100/1s:500`,
  );
}

/** How many bits of an address make its source, such as `24,56`. Throws `RangeError` when it is none. */
export function parseSourcePrefix(
  text: string,
): { ipv4: number; ipv6: number } {
  const [, ipv4, ipv6] = /^(\d{1,3}),(\d{1,3})$/.exec(text) ?? [];
  const prefix = { ipv4: Number(ipv4), ipv6: Number(ipv6) };
  if (prefix.ipv4 <= 32 && prefix.ipv6 <= 128) return prefix;
  throw new RangeError(
    `Cannot use source prefix "${text}": expected bits of IPv4 and of IPv6 addresses, such as 24,56 (32,128 at most)`,
  );
}

/** The longest text that fits into any socket at once. */
const MAX_TEXT = 4096;
const ESCAPES: Readonly<Record<string, number>> = {
  "\\": 0x5c,
  r: 0x0d,
  n: 0x0a,
  t: 0x09,
};

/**
 * Text in which `\r`, `\n`, `\t`, `\\` and `\xHH` stand for bytes. Returns its bytes, UTF-8 but for those. Throws
 * `RangeError` when another escape is in it, or it is too long.
 */
export function parseEscapes(text: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  for (
    const [part, name] of text.matchAll(/\\(x[\da-fA-F]{2}|[^]|$)|[^\\]+/g)
  ) {
    const code = name?.[0] === "x" && name.length === 3
      ? parseInt(name.slice(1), 16)
      : ESCAPES[name ?? ""];
    if (name !== undefined && code === undefined) {
      throw new RangeError(
        `Cannot use "${part}" in "${text}": expected \\r, \\n, \\t, \\\\ or \\xHH`,
      );
    }
    if (code !== undefined) bytes.push(code);
    else bytes.push(...new TextEncoder().encode(part));
  }
  if (bytes.length <= MAX_TEXT) return new Uint8Array(bytes);
  throw new RangeError(
    `Cannot use a text of ${bytes.length} bytes: expected at most ${MAX_TEXT}`,
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
