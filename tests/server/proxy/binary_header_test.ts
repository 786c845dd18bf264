import assert from "node:assert/strict";
import {
  crc32c,
  MAX_HEADER,
  readProxyHeader,
} from "../../../src/server/proxy/header.ts";
import { test } from "../../helpers/testing.ts";
import { binary, bytesOf, SIGNATURE, summed, told, vector } from "./headers.ts";

// The sections of HAProxy's "The PROXY protocol, versions 1 & 2" (2020/03/05) stand in brackets.

const LOCAL = 0x20, PROXY = 0x21;
const TCP4 = 0x11, UDP4 = 0x12, TCP6 = 0x21, UDP6 = 0x22;
const UNIX_STREAM = 0x31, UNIX_DATAGRAM = 0x32;

/** 192.0.2.1:56324 to 192.0.2.2:443. */
const INET = "c0000201" + "c0000202" + "dc04" + "01bb";
/** [2001:db8::1]:56324 to [2001:db8::2]:443. */
const INET6 = "20010db8000000000000000000000001" +
  "20010db8000000000000000000000002" + "dc0401bb";
/** The path of a socket, filled up with zeros, twice. */
function unix(path: string): string {
  const padded = path.padEnd(108, "\0");
  return bytesOf(padded + padded).toHex();
}
const ADDRESSES: readonly (readonly [family: number, block: string])[] = [
  [TCP4, INET],
  [UDP4, INET],
  [TCP6, INET6],
  [UDP6, INET6],
  [UNIX_STREAM, unix("/run/app.sock")],
  [UNIX_DATAGRAM, unix("/run/app.sock")],
];

const RIGHT: readonly (readonly [
  what: string,
  header: Uint8Array,
  source: string,
])[] = [
  ["TCP over IPv4", binary(PROXY, TCP4, INET), "192.0.2.1:56324"],
  ["TCP over IPv6", binary(PROXY, TCP6, INET6), "[2001:db8::1]:56324"],
  [
    "IPv4 mapped into IPv6",
    binary(
      PROXY,
      TCP6,
      "00000000000000000000ffffc0000201".repeat(2) + "00010002",
    ),
    "192.0.2.1:1",
  ],
  [
    "UNIX stream",
    binary(PROXY, UNIX_STREAM, unix("/run/app.sock")),
    "/run/app.sock",
  ],
  [
    "UNIX stream, longest path",
    binary(PROXY, UNIX_STREAM, unix("/".padEnd(108, "x"))),
    "/".padEnd(108, "x"),
  ],
  ["UNIX stream, abstract", binary(PROXY, UNIX_STREAM, unix("\0app")), "@app"],
  ["UNIX stream, unnamed", binary(PROXY, UNIX_STREAM, unix("")), "unix"],
  // "The receiver must accept this connection as valid and must use the real connection endpoints and
  // discard the protocol block including the family which is ignored" (2.2)
  ["LOCAL", binary(LOCAL, 0x00), "none"],
  ["LOCAL with addresses", binary(LOCAL, TCP4, INET), "none"],
  ["LOCAL with a family of none", binary(LOCAL, 0xff, "00ff"), "none"],
  // "use the real endpoint addresses"; "The receiver should ignore address information" (2.2)
  ["AF_UNSPEC", binary(PROXY, 0x00), "none"],
  ["AF_UNSPEC with a block", binary(PROXY, 0x00, INET + "ff"), "none"],
  ["AF_UNSPEC, STREAM", binary(PROXY, 0x01, "00"), "none"],
  ["AF_INET, UNSPEC", binary(PROXY, 0x10, INET), "none"],
  ["AF_UNIX, UNSPEC", binary(PROXY, 0x30), "none"],
  // "automatically falls back to the UNSPEC mode for the valid combinations … that it does not support" (2.2)
  ["UDP over IPv4", binary(PROXY, UDP4, INET), "none"],
  ["UDP over IPv6", binary(PROXY, UDP6, INET6), "none"],
  ["UNIX datagram", binary(PROXY, UNIX_DATAGRAM, unix("/x")), "none"],
  // "A receiver may choose to skip over and ignore the TLVs" (2.2)
  [
    "vectors of every registered and reserved type",
    binary(
      PROXY,
      TCP4,
      INET +
        [0x01, 0x02, 0x05, 0x20, 0x30, 0xe0, 0xf0, 0xf8].map((type) =>
          vector(type, "6832")
        ).join("") + vector(0x04, ""),
    ),
    "192.0.2.1:56324",
  ],
  [
    "the longest that is read",
    binary(PROXY, TCP4, INET + vector(0x04, "00".repeat(MAX_HEADER - 31))),
    "192.0.2.1:56324",
  ],
  [
    "a checksum",
    summed(binary(PROXY, TCP6, INET6 + vector(0x03, "00000000"))),
    "[2001:db8::1]:56324",
  ],
  [
    "as HAProxy 2.6 sends it with `crc32c,unique-id`",
    Uint8Array.fromHex(
      SIGNATURE + "21210030" + "00000000000000000000ffff7f000001".repeat(2) +
        "991643f1" + "030004e4c75f14" + "0500022d78",
    ),
    "127.0.0.1:39190",
  ],
];
for (const [what, header, source] of RIGHT) {
  test(`readProxyHeader: version 2: ${what} (2.2)`, () => {
    assert.equal(told(header), source);
    const more = new Uint8Array([...header, ...header]);
    assert.equal(readProxyHeader(more)?.length, header.length);
    // "must not start to parse an address before the whole address block is received" (2.2)
    for (let length = 0; length < header.length; length++) {
      assert.equal(told(header.subarray(0, length)), "more", `${length} bytes`);
    }
  });
}

test("readProxyHeader: version 2: every byte of the signature counts (2.2)", () => {
  const header = binary(PROXY, TCP4, INET);
  for (let at = 1; at < 12; at++) {
    const bad = header.slice();
    bad[at]! ^= 0x20;
    assert.equal(told(bad), "it does not begin with a PROXY protocol header");
    assert.equal(
      told(bad.subarray(0, at + 1)),
      "it does not begin with a PROXY protocol header",
    );
  }
});

test("readProxyHeader: version 2: any version and command but three is refused (2.2)", () => {
  for (let byte = 0; byte < 256; byte++) {
    const expected = byte >> 4 !== 2
      ? `its version is ${byte >> 4}: expected 2`
      : byte === LOCAL
      ? "none"
      : byte === PROXY
      ? "192.0.2.1:56324"
      : `its command ${byte & 0xf} is unassigned`;
    assert.equal(told(binary(byte, TCP4, INET)), expected);
  }
});

test("readProxyHeader: version 2: unassigned families and transports are refused (2.2)", () => {
  const known = new Map(ADDRESSES);
  for (let byte = 0; byte < 256; byte++) {
    const family = byte >> 4, transport = byte & 0xf;
    const block = known.get(byte) ?? "";
    const said = told(binary(PROXY, byte, block));
    if (family > 3) {
      assert.equal(said, `its address family ${family} is unassigned`);
    } else if (transport > 2) {
      assert.equal(said, `its transport ${transport} is unassigned`);
    } else assert.doesNotMatch(said, /unassigned|more/);
  }
});

test("readProxyHeader: version 2: a length too short for the addresses is refused (2.2)", () => {
  for (const [family, block] of ADDRESSES) {
    const bytes = Uint8Array.fromHex(block);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(
        told(binary(PROXY, family, bytes.subarray(0, length))),
        `its ${length} bytes of addresses are too few: expected ${bytes.length}`,
      );
    }
  }
});

test("readProxyHeader: version 2: longer than the limit is refused at its 16th byte", () => {
  for (const length of [MAX_HEADER - 15, 0xffff]) {
    const start = Uint8Array.fromHex(
      SIGNATURE + "2111" + length.toString(16).padStart(4, "0"),
    );
    assert.equal(told(start.subarray(0, 15)), "more");
    assert.equal(
      told(start),
      `it has ${16 + length} bytes: expected ${MAX_HEADER} at most`,
    );
  }
});

test("readProxyHeader: version 2: vectors must fill the rest of the header (2.2)", () => {
  for (const [family, block] of ADDRESSES) {
    for (
      const rest of ["00", "0400", "040001", "04000200", vector(4, "00") + "04"]
    ) {
      assert.equal(
        told(binary(PROXY, family, block + rest)),
        "its last vector is incomplete",
        rest,
      );
    }
  }
});

test("readProxyHeader: version 2: a checksum must be right wherever it stands (2.2.3)", () => {
  for (const [family, block] of ADDRESSES) {
    const good = summed(
      binary(PROXY, family, block + vector(4, "aa") + vector(3, "00000000")),
    );
    assert.doesNotMatch(told(good), /wrong/);
    // Every bit of the addresses and of the checksum itself; lengths and types have tests of their own.
    const ends = [[16, 16 + block.length / 2], [good.length - 4, good.length]];
    for (const [start, end] of ends) {
      for (let at = start!; at < end!; at++) {
        const bad = good.slice();
        bad[at]! ^= 0x10;
        assert.equal(told(bad), "its checksum is wrong", `byte ${at}`);
      }
    }
  }
  const other = binary(
    PROXY,
    TCP4,
    INET + vector(3, "00000000") + vector(4, "bb"),
  );
  const sum = crc32c(other);
  new DataView(other.buffer).setUint32(16 + 12 + 3, sum);
  assert.equal(told(other), "192.0.2.1:56324");
  for (const value of ["", "000000", "0000000000"]) {
    assert.equal(
      told(binary(PROXY, TCP4, INET + vector(3, value))),
      `its checksum has ${value.length / 2} bytes: expected 4`,
    );
  }
});

test("crc32c: has the check values of RFC 3720, B.4", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  const vectors: readonly (readonly [bytes: Uint8Array, sum: number])[] = [
    [bytesOf("123456789"), 0xe3069283],
    [new Uint8Array(0), 0],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [ascending, 0x46dd794e],
    [ascending.toReversed(), 0x113fdb5c],
  ];
  for (const [bytes, sum] of vectors) assert.equal(crc32c(bytes), sum);
});
