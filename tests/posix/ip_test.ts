import fc from "fast-check";
import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { darwin, linux } from "../../src/posix/abi.ts";
import {
  decodeAddress,
  encodeIpAddress,
  encodeUnixAddress,
  formatAddress,
  parseIpv4,
  parseIpv6,
} from "../../src/posix/net/address.ts";
import { test } from "../helpers/testing.ts";

const RUNS = { seed: 4291, numRuns: 3000 };

test("parseIpv4, parseIpv6: take what the runtime takes for an address, and nothing else", () => {
  const almost = fc.string({
    unit: fc.constantFrom(..."0123456789af.:"),
    maxLength: 20,
  });
  const damaged = fc.tuple(fc.oneof(fc.ipV6(), fc.ipV4()), fc.nat(), almost)
    .map(([ip, at, text]) => {
      const cut = at % (ip.length + 1);
      return ip.slice(0, cut) + text.slice(0, 2) + ip.slice(cut + at % 2);
    });
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), almost, damaged), (text) => {
      assert.equal(parseIpv4(text) !== null, isIPv4(text), text);
      assert.equal(parseIpv6(text) !== null, isIPv6(text), text);
    }),
    RUNS,
  );
});

test("parseIpv6: has no zone", () => {
  assert.equal(parseIpv6("fe80::1%eth0"), null);
});

test("encodeIpAddress: is read back as it was, on every system", () => {
  for (const layout of [linux, darwin]) {
    const shown = (ip: Uint8Array | null, port: number) =>
      formatAddress(decodeAddress(encodeIpAddress(ip!, port, layout), layout));
    assert.equal(shown(parseIpv4("192.0.2.1"), 56324), "192.0.2.1:56324");
    assert.equal(shown(parseIpv6("2001:db8::1"), 1), "[2001:db8::1]:1");
    assert.equal(shown(parseIpv6("::ffff:192.0.2.1"), 0), "192.0.2.1:0");
  }
});

test("encodeIpAddress: is the struct of bits/socket.h and of darwin's sys/socket.h", () => {
  const ipv4 = parseIpv4("127.0.0.1")!, ipv6 = parseIpv6("::1")!;
  const hex = (ip: Uint8Array, layout: typeof linux) =>
    encodeIpAddress(ip, 9190, layout).toHex();
  const loopback = "00000000000000000000000000000001";
  assert.equal(hex(ipv4, linux), "020023e67f0000010000000000000000");
  assert.equal(hex(ipv4, darwin), "100223e67f0000010000000000000000");
  assert.equal(hex(ipv6, linux), `0a0023e600000000${loopback}00000000`);
  assert.equal(hex(ipv6, darwin), `1c1e23e600000000${loopback}00000000`);
});

test("encodeUnixAddress: is read back as it was, on every system", () => {
  for (const layout of [linux, darwin]) {
    for (const name of ["/run/app.sock", "", "\0app"]) {
      const bytes = encodeUnixAddress(new TextEncoder().encode(name), layout);
      assert.deepEqual(decodeAddress(bytes, layout), {
        transport: "unix",
        path: name.replace("\0", "@"),
      });
    }
  }
});
