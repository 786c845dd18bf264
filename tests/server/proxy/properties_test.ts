import fc from "fast-check";
import assert from "node:assert/strict";
import {
  decodeAddress,
  encodeIpAddress,
  formatAddress,
  parseIpv4,
  parseIpv6,
} from "../../../src/posix/net/address.ts";
import {
  ProxyHeaderError,
  readProxyHeader,
} from "../../../src/server/proxy/header.ts";
import { runs } from "../../helpers/runs.ts";
import { test } from "../../helpers/testing.ts";
import { binary, bytesOf, SIGNATURE, summed, told, vector } from "./headers.ts";

const port = fc.integer({ min: 0, max: 65535 });
const anyBytes = fc.uint8Array({ maxLength: 200 });
const ends = fc.record({
  source: fc.ipV4(),
  destination: fc.ipV4(),
  ports: fc.tuple(port, port),
});
const ends6 = fc.record({
  source: fc.ipV6(),
  destination: fc.ipV6(),
  ports: fc.tuple(port, port),
});

/** The address as we write it. */
function shown(ip: Uint8Array, port: number): string {
  return formatAddress(decodeAddress(encodeIpAddress(ip, port)));
}

test("readProxyHeader: reads back every line of version 1, and no byte behind it", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        ends.map((end) => ({ ...end, kind: "TCP4", parse: parseIpv4 })),
        ends6.map((end) => ({ ...end, kind: "TCP6", parse: parseIpv6 })),
      ),
      anyBytes,
      ({ kind, parse, source, destination, ports }, behind) => {
        const line = `PROXY ${kind} ${source} ${destination} ${
          ports.join(" ")
        }\r\n`;
        assert.equal(told(line), shown(parse(source)!, ports[0]));
        const stream = new Uint8Array([...bytesOf(line), ...behind]);
        assert.equal(readProxyHeader(stream)?.length, line.length);
      },
    ),
    runs(2000),
  );
});

test("readProxyHeader: reads back every header of version 2, and no byte behind it", () => {
  const vectors = fc.array(
    fc.tuple(fc.integer({ min: 4, max: 255 }), anyBytes),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ minLength: 12, maxLength: 12 }),
        fc.uint8Array({ minLength: 36, maxLength: 36 }),
      ),
      vectors,
      anyBytes,
      (block, vectors, behind) => {
        const size = block.length === 12 ? 4 : 16;
        const rest = vectors.map(([type, value]) =>
          vector(type, value.toHex())
        );
        const header = summed(
          binary(
            0x21,
            size === 4 ? 0x11 : 0x21,
            block.toHex() + rest.join("") + vector(3, "00000000"),
          ),
        );
        const port = block[2 * size]! << 8 | block[2 * size + 1]!;
        assert.equal(told(header), shown(block.subarray(0, size), port));
        const stream = new Uint8Array([...header, ...behind]);
        assert.equal(readProxyHeader(stream)?.length, header.length);
      },
    ),
    runs(2000),
  );
});

test("readProxyHeader: whatever comes, it says more, a header within what came, or what is wrong", () => {
  const start = fc.constantFrom(
    "",
    "PROXY ",
    "PROXY TCP4 ",
    "PROXY TCP6 ::1 ",
    "PROXY UNKNOWN",
  ).map(bytesOf);
  const signature = fc.constant(Uint8Array.fromHex(SIGNATURE));
  const line = fc.string({
    unit: fc.constantFrom(..."0123456789abcdef.: \r\n"),
    maxLength: 120,
  }).map(bytesOf);
  const endless = fc.string({
    unit: fc.constantFrom(..."0123456789abcdef.: "),
    minLength: 107,
    maxLength: 150,
  }).map(bytesOf);
  // Almost a header of version 2: what it says of itself is more or less than what comes.
  const almost = fc.tuple(
    fc.constantFrom(0x20, 0x21),
    fc.constantFrom(0x00, 0x11, 0x21, 0x31),
    fc.constant(0),
    fc.integer({ min: 0, max: 60 }),
  ).map((bytes) => Uint8Array.from(bytes));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.tuple(start, fc.oneof(anyBytes, line, endless)),
        fc.tuple(signature, anyBytes),
        fc.tuple(signature, almost, anyBytes),
      ),
      (parts) => {
        const bytes = new Uint8Array(parts.flatMap((part) => [...part]));
        let failed = -1;
        // Byte by byte: once it is wrong it stays wrong, once it is whole it stays the same.
        let whole: number | undefined;
        for (let length = 0; length <= bytes.length; length++) {
          try {
            const header = readProxyHeader(bytes.subarray(0, length));
            assert.equal(failed, -1);
            if (whole !== undefined) assert.equal(header?.length, whole);
            whole ??= header?.length;
            assert.ok(whole === undefined || whole <= length);
          } catch (error) {
            if (!(error instanceof ProxyHeaderError)) throw error;
            assert.equal(whole, undefined);
            failed = length;
          }
        }
        const isText = bytes[0] === "P".charCodeAt(0);
        const isOpen = failed < 0 && whole === undefined;
        assert.ok(!(isText && isOpen) || bytes.length < 107, "a line may end");
      },
    ),
    runs(1000),
  );
});
