import assert from "node:assert/strict";
import fc from "fast-check";
import {
  formatDuration,
  parseCount,
  parseDuration,
  parsePort,
  parseSize,
} from "../../src/cli/options.ts";
import { ADMISSION } from "../../src/cli/serve/options/listen_options.ts";
import { test } from "../helpers/testing.ts";

const readRate = (text: string) => ADMISSION.rate.read(text, undefined);
const readPrefix = (text: string) =>
  ADMISSION.sourcePrefix.read(text, ADMISSION.sourcePrefix.initial);
const readEscapes = (text: string) =>
  ADMISSION.busyMessage.read(text, undefined)!;

const SEED = { seed: 20240607, numRuns: 500 };
/** Texts that every parser must refuse. */
const NEVER = [
  "",
  " ",
  "abc",
  "-1",
  "+1",
  " 1",
  "1 ",
  "1e3",
  "0x10",
  "1_000",
  "1,5",
  "NaN",
  "Infinity",
  "١",
  "１",
  "1\n",
];

/** Every text is refused with a message that quotes it and says what is wanted. */
function refuses(
  parse: (text: string) => unknown,
  texts: readonly string[],
): void {
  for (const text of texts) {
    assert.throws(() => parse(text), (error) => {
      assert.ok(
        error instanceof RangeError,
        `${JSON.stringify(text)}: ${error}`,
      );
      assert.ok(error.message.includes(`"${text}": expected `), error.message);
      return true;
    }, JSON.stringify(text));
  }
}

function takes<T>(
  parse: (text: string) => T,
  table: Record<string, T>,
): void {
  for (const [text, value] of Object.entries(table)) {
    assert.deepEqual(parse(text), value, text);
  }
}

test("parsePort: takes 0 to 65535", () => {
  fc.assert(
    fc.property(fc.nat(65535), (port) => parsePort(String(port)) === port),
    SEED,
  );
  takes(parsePort, { "0": 0, "65535": 65535 });
});

test("parsePort: refuses all else", () => {
  refuses(parsePort, [
    ...NEVER,
    "65536",
    "99999",
    "100000",
    "80.5",
    "80/tcp",
  ]);
});

test("parseCount: takes whole numbers from its bound", () => {
  takes((text) => parseCount(text, "spares"), {
    "0": 0,
    "7": 7,
    "999999999": 999_999_999,
  });
  assert.equal(parseCount("1", "backlog", 1), 1);
});

test("parseCount: refuses all else, by name", () => {
  refuses((text) => parseCount(text, "spares"), [
    ...NEVER,
    "1.5",
    "1000000000",
    "1k",
  ]);
  assert.throws(() => parseCount("0", "backlog", 1), {
    name: "RangeError",
    message: 'Cannot use backlog "0": expected a whole number of at least 1',
  });
});

test("parseDuration: takes a number with a unit, and 0", () => {
  takes(parseDuration, {
    "0": 0,
    "0s": 0,
    "500ms": 500,
    "1s": 1000,
    "1.5s": 1500,
    "0.25s": 250,
    "5m": 300_000,
    "2h": 7_200_000,
    "596h": 2_145_600_000,
    "2147483647ms": 2_147_483_647,
  });
});

test("parseDuration: refuses all else", () => {
  refuses(parseDuration, [
    ...NEVER,
    "10",
    "1.5",
    "s",
    ".5s",
    "1.s",
    "1 s",
    "-1s",
    "1S",
    "1d",
    "1m30s",
    "597h",
    "2147483648ms",
    "9".repeat(400) + "s",
    "1constructor",
  ]);
});

test("formatDuration: reads back as the same duration", () => {
  fc.assert(
    fc.property(
      fc.nat(2 ** 31 - 1),
      (milliseconds) =>
        parseDuration(formatDuration(milliseconds)) === milliseconds,
    ),
    SEED,
  );
  assert.deepEqual([0, 500, 30_000, 1500].map(formatDuration), [
    "0ms",
    "500ms",
    "30s",
    "1.5s",
  ]);
});

test("parseSize: takes bytes, and numbers with a unit", () => {
  takes(parseSize, {
    "0": 0,
    "4096": 4096,
    "4096B": 4096,
    "1kB": 1000,
    "1KB": 1000,
    "64KiB": 65536,
    "1.5KiB": 1536,
    "1MB": 1_000_000,
    "1MiB": 1_048_576,
    "2GB": 2e9,
    "2GiB": 2 ** 31,
    "9007199254740991": Number.MAX_SAFE_INTEGER,
  });
});

test("parseSize: refuses all else", () => {
  refuses(parseSize, [
    ...NEVER,
    "KiB",
    "1kib",
    "1TB",
    "1 MB",
    ".5MB",
    "9007199254740992",
    "9999999GB",
    "1constructor",
    "1toString",
  ]);
});

test("rate: takes connections, a time, and a burst", () => {
  takes(readRate, {
    "100/1s": { count: 100, per: 1000, burst: 100 },
    "5/1m": { count: 5, per: 60_000, burst: 5 },
    "1/500ms:20": { count: 1, per: 500, burst: 20 },
    "10/1.5s:1": { count: 10, per: 1500, burst: 1 },
  });
});

test("rate: refuses all else", () => {
  refuses(readRate, [
    ...NEVER,
    "100",
    "100/",
    "/1s",
    "100/s",
    "100/1",
    "0/1s",
    "100/0s",
    "100/1s:0",
    "100/1s:",
    "1e3/1s",
    "-1/1s",
    "100/1s:1:1",
    "100 /1s",
  ]);
});

test("source prefix: takes bits of both families, and no others", () => {
  takes(readPrefix, {
    "24,56": { ipv4: 24, ipv6: 56 },
    "0,128": { ipv4: 0, ipv6: 128 },
  });
  const never = NEVER.filter((text) => text !== "1,5");
  refuses(readPrefix, [...never, "24", "33,64", "32,129", "24, 56"]);
});

test("busy message: text is UTF-8, escapes are bytes", () => {
  const read = (text: string) => readEscapes(text).toHex();
  assert.equal(read("503 busy\\r\\n"), "35303320627573790d0a");
  assert.equal(read("\\t\\\\\\x00\\xfF"), "095c00ff");
  assert.equal(read("é"), "c3a9");
  assert.equal(read("\\\\x41"), "5c783431"); // a backslash, then x41
  assert.equal(read(""), "");
});

test("busy message: refuses other escapes and what is too long, by name", () => {
  for (const text of ["\\q", "\\", "a\\x4", "\\xgg", "\\0"]) {
    assert.throws(() => readEscapes(text), /expected \\r, \\n, \\t, \\\\ or/);
  }
  assert.throws(() => readEscapes("x".repeat(4097)), /4097 bytes/);
});

/** Runs with an /etc/services of our own, or without one. */
function withServices(text: string | null, run: () => void): void {
  const { readTextFileSync } = Deno;
  Deno.readTextFileSync = () => {
    if (text === null) throw new Deno.errors.NotFound("no such file");
    return text;
  };
  try {
    run();
  } finally {
    Deno.readTextFileSync = readTextFileSync;
  }
}

test("parsePort: takes the name of a TCP service, and its other names", () => {
  const services = "# comment\n\nhttp\t\t80/tcp\twww www-http # web\n" +
    "tftp 69/udp\nmail  25/tcp\ndomain 53/udp\ndomain 53/tcp\n9p 564/tcp\n" +
    "discard 9/tcp sink null#comment\n";
  withServices(services, () => {
    takes(parsePort, {
      http: 80,
      www: 80,
      "www-http": 80,
      mail: 25,
      domain: 53,
      "9p": 564,
      null: 9,
    });
    for (const name of ["tftp", "web", "smtp", "HTTP", "comment", "80/tcp"]) {
      assert.throws(() => parsePort(name), {
        name: "RangeError",
        message: /expected a whole number from 0 to 65535/,
      });
    }
    assert.throws(() => parsePort("smtp", 1), {
      message:
        'Cannot use port "smtp": expected a whole number from 1 to 65535, or a name of a TCP service in /etc/services',
    });
  });
});

test("parsePort: says what is missing where there are no names", () => {
  withServices(null, () => {
    assert.equal(parsePort("80"), 80);
    assert.throws(() => parsePort("http"), {
      message: /; a name needs \/etc\/services \(no such file\)/,
    });
  });
});
