import assert from "node:assert/strict";
import { readProxyHeader } from "../../../src/server/proxy/header.ts";
import { test } from "../../helpers/testing.ts";
import { bytesOf, told } from "./headers.ts";

// The sections of HAProxy's "The PROXY protocol, versions 1 & 2" (2020/03/05) stand in brackets.

const LONGEST_GROUPS = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
const WRONG_ADDRESS = "it has an invalid address";
const WRONG_PORT = "it has an invalid port";
const WRONG_END = "its line ends with only one of CR and LF";
const WRONG_PROTOCOL = "its protocol is not TCP4, TCP6 or UNKNOWN";
const NO_HEADER = "it does not begin with a PROXY protocol header";
const TOO_LONG = "its line does not end within 107 bytes";

const RIGHT: readonly (readonly [line: string, source: string])[] = [
  // The specification's own example and its longest lines (2.1).
  ["PROXY TCP4 192.168.0.1 192.168.0.11 56324 443", "192.168.0.1:56324"],
  [
    "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
    "255.255.255.255:65535",
  ],
  [
    `PROXY TCP6 ${LONGEST_GROUPS} ${LONGEST_GROUPS} 65535 65535`,
    `[${LONGEST_GROUPS}]:65535`,
  ],
  ["PROXY UNKNOWN", "none"],
  [`PROXY UNKNOWN ${LONGEST_GROUPS} ${LONGEST_GROUPS} 65535 65535`, "none"],
  ["PROXY TCP4 0.0.0.0 255.255.255.255 0 65535", "0.0.0.0:0"],
  ["PROXY TCP6 2001:DB8::1 2001:db8::B 1 2", "[2001:db8::1]:1"],
  ["PROXY TCP6 :: ::1 1 2", "[::]:1"],
  ["PROXY TCP6 1:: ::1 1 2", "[1::]:1"],
  ["PROXY TCP6 0:0:0:0:0:0:0:1 ::1 1 2", "[::1]:1"],
  ["PROXY TCP6 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 1 2", "[1:2:3:4:5:6:7:0]:1"],
  // HAProxy sends this for a client that reached it over IPv4 by an IPv6 listener.
  ["PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2", "192.0.2.1:1"],
  // "the receiver must ignore anything presented before the CRLF is found" (2.1)
  ["PROXY UNKNOWN ", "none"],
  ["PROXY UNKNOWN \0\xff whatever TCP4 999", "none"],
  ["PROXY UNKNOWN one LF\nand one CR\rand more", "none"],
  [`PROXY UNKNOWN ${"x".repeat(107 - 14 - 2)}`, "none"],
];
for (const [line, source] of RIGHT) {
  test(`readProxyHeader: version 1: ${JSON.stringify(line)} (2.1)`, () => {
    const header = line + "\r\n";
    assert.equal(told(header), source);
    // All bytes after the line are the client's.
    for (const behind of ["\r\n", "G", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"]) {
      assert.equal(
        readProxyHeader(bytesOf(header + behind))?.length,
        header.length,
      );
    }
    // Nothing is decided before the CRLF has come whole.
    for (let length = 0; length < header.length; length++) {
      assert.equal(told(header.slice(0, length)), "more", `${length} bytes`);
    }
  });
}

const ADDRESSES4 = [
  "",
  "1",
  "1.2.3",
  "1.2.3.4.5",
  "1.2.3.",
  ".1.2.3",
  "1..2.3",
  "256.1.1.1",
  "1.1.1.1000",
  "01.1.1.1",
  "1.1.1.00",
  "0x1.1.1.1",
  "+1.1.1.1",
  "-1.1.1.1",
  "1.1.1.1e0",
  "1.1.1.1\t",
  "1.1.1.١",
  "::1",
  "localhost",
];
const ADDRESSES6 = [
  "",
  ":",
  ":::",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7:8::",
  "1::2::3",
  "1:::2",
  ":1::2",
  "1::2:",
  "12345::",
  "g::",
  "::1%eth0",
  "[::1]",
  "1.2.3.4",
  "1.2.3.4::",
  "::1.2.3",
  "::1.2.3.04",
  "::1.2.3.4:5",
  "1:2:3:4:5:6:7:1.2.3.4",
];
const PORTS = [
  "",
  "00",
  "01",
  "65536",
  "99999",
  "100000",
  "-1",
  "+1",
  "1.0",
  "0x1",
  "http",
  "1\t",
];

test("readProxyHeader: version 1: an address that is none of its family is refused (2.1)", () => {
  for (
    const [kind, good, bad] of [["TCP4", "1.2.3.4", ADDRESSES4], [
      "TCP6",
      "::1",
      ADDRESSES6,
    ]] as const
  ) {
    for (const address of bad) {
      for (const pair of [`${address} ${good}`, `${good} ${address}`]) {
        const line = `PROXY ${kind} ${pair} 1 2\r\n`;
        assert.equal(told(line), WRONG_ADDRESS, line);
      }
    }
  }
});

test("readProxyHeader: version 1: a port that is none is refused (2.1)", () => {
  for (const port of PORTS) {
    for (const pair of [`${port} 1`, `1 ${port}`]) {
      const line = `PROXY TCP4 1.2.3.4 5.6.7.8 ${pair}\r\n`;
      assert.equal(told(line), WRONG_PORT, line);
    }
  }
});

const WRONG: readonly (readonly [header: string, why: string])[] = [
  // "exactly one space" (2.1)
  ["PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", WRONG_PROTOCOL],
  [
    "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
    "it has 5 fields after its protocol: expected 4",
  ],
  [
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
    "it has 5 fields after its protocol: expected 4",
  ],
  [
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
    "it has 5 fields after its protocol: expected 4",
  ],
  [
    "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
    "it has 3 fields after its protocol: expected 4",
  ],
  ["PROXY TCP4 \r\n", "it has 1 fields after its protocol: expected 4"],
  ["PROXY TCP4\t1.2.3.4 5.6.7.8 1 2\r\n", WRONG_PROTOCOL],
  ["PROXY TCP4\r\n", WRONG_PROTOCOL],
  ["PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n", NO_HEADER],
  ["PROXY\r\n", NO_HEADER],
  // "only TCP4 … and TCP6 … are allowed. Other … must be reported with the name UNKNOWN" (2.1)
  ["PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", WRONG_PROTOCOL],
  ["PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", WRONG_PROTOCOL],
  ["PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n", WRONG_PROTOCOL],
  ["PROXY unknown\r\n", WRONG_PROTOCOL],
  ["PROXY UNKNOWNS\r\n", WRONG_PROTOCOL],
  ["PROXY UNKNOWN\n", WRONG_PROTOCOL],
  ["PROXY \r\n", WRONG_PROTOCOL],
  // "must not tolerate a single CR or LF" (2.1)
  ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", WRONG_END],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n\r", WRONG_END],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rGET", WRONG_END],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r\n", WRONG_PORT],
  ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n\r\n", WRONG_PORT],
  [
    "PROXY TCP4 1.2.3.4 5.6.7.8 1\n2\r\n",
    "it has 3 fields after its protocol: expected 4",
  ],
  // "not found in the first 107 characters" (2.1)
  [`PROXY UNKNOWN ${"x".repeat(107 - 14 - 1)}\r\n`, TOO_LONG],
  [`PROXY UNKNOWN ${"x".repeat(107 - 14)}`, TOO_LONG],
  [`PROXY TCP6 ${"0".repeat(107 - 11)}`, TOO_LONG],
  // "otherwise the protocol is not covered by this specification and the connection must be dropped" (2.2)
  ["GET / HTTP/1.1\r\n", NO_HEADER],
  ["proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", NO_HEADER],
  [" PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", NO_HEADER],
  ["\0", NO_HEADER],
  ["\x16\x03\x01", NO_HEADER], // a TLS handshake
  ["POST", NO_HEADER],
  ["PROXYTCP4", NO_HEADER],
];
for (const [header, why] of WRONG) {
  test(`readProxyHeader: version 1: ${JSON.stringify(header)} is refused: ${why}`, () => {
    assert.equal(told(header), why);
  });
}

test("readProxyHeader: version 1: is refused as soon as it cannot become a header (2.1)", () => {
  assert.equal(told("H"), NO_HEADER);
  assert.equal(told("PRI"), NO_HEADER); // HTTP/2
  assert.equal(told("PROXY T"), "more");
  assert.equal(told("PROXY X"), WRONG_PROTOCOL);
  assert.equal(told("PROXY TCP4 \n"), WRONG_END);
});
