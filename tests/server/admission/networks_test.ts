import assert from "node:assert/strict";
import { BlockList } from "node:net";
import fc from "fast-check";
import { parseIpv4, parseIpv6 } from "../../../src/posix/net/address.ts";
import {
  maskIp,
  NetworkTable,
  parseNetwork,
} from "../../../src/server/networks.ts";
import { test } from "../../helpers/testing.ts";

const ip = (text: string) => (parseIpv4(text) ?? parseIpv6(text))!;

for (
  const [text, bytes, prefix] of [
    ["10.0.0.0/8", "0a000000", 8],
    ["192.0.2.7", "c0000207", 32],
    ["0.0.0.0/0", "00000000", 0],
    ["2001:db8::/32", "20010db8" + "0".repeat(24), 32],
    ["::1", "0".repeat(31) + "1", 128],
    ["::/0", "0".repeat(32), 0],
    ["::ffff:10.0.0.0/104", "0a000000", 8],
    ["::ffff:0:0/96", "00000000", 0],
  ] as const
) {
  test(`parseNetwork: ${text}`, () => {
    const network = parseNetwork(text);
    assert.deepEqual([network.ip.toHex(), network.prefix], [bytes, prefix]);
  });
}

for (
  const text of [
    "",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0/8",
    "010.0.0.0/8",
    "0x0a.0.0.0/8",
    "::/129",
    "fe80::1%eth0/64",
    "localhost",
    "10.0.0.0 /8",
    "10.0.0.0/08x",
  ]
) {
  test(`parseNetwork: "${text}" is refused by name`, () => {
    assert.throws(() => parseNetwork(text), (error: Error) => {
      assert.ok(error instanceof RangeError);
      assert.ok(
        error.message.startsWith(`Cannot use network "${text}": expected`),
      );
      return true;
    });
  });
}

test("parseNetwork: bits beyond the prefix are refused, since they are a mistake", () => {
  for (const text of ["10.1.0.0/8", "2001:db8::1/32", "0.0.0.1/0"]) {
    assert.throws(() => parseNetwork(text), /bits beyond the prefix are set/);
  }
});

test("maskIp: keeps the first bits, and the argument as it is", () => {
  const address = ip("255.255.255.255");
  assert.deepEqual([...maskIp(address, 0)], [0, 0, 0, 0]);
  assert.deepEqual([...maskIp(address, 9)], [255, 128, 0, 0]);
  assert.deepEqual([...maskIp(address, 32)], [255, 255, 255, 255]);
  assert.deepEqual([...address], [255, 255, 255, 255]);
});

test("NetworkTable: the most specific network counts, in whatever order they came", () => {
  const lines = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "0.0.0.0/0"];
  for (const order of [lines, lines.toReversed()]) {
    const table = new NetworkTable<string>();
    for (const line of order) table.set(parseNetwork(line), line);
    assert.equal(table.find(ip("10.1.2.3")), "10.1.2.0/24");
    assert.equal(table.find(ip("10.1.3.3")), "10.1.0.0/16");
    assert.equal(table.find(ip("10.9.9.9")), "10.0.0.0/8");
    assert.equal(table.find(ip("11.0.0.1")), "0.0.0.0/0");
    assert.equal(table.find(ip("::1")), undefined);
  }
});

test("NetworkTable: agrees with node:net's BlockList on what is inside", () => {
  const address = fc.oneof(
    fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })),
    fc.tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 })),
  ).filter(([text]) => !/^(0*:)*(ffff:)/i.test(text) && !text.endsWith("::"));
  fc.assert(
    fc.property(fc.array(address, { maxLength: 6 }), address, (list, [one]) => {
      const table = new NetworkTable<true>(), blocks = new BlockList();
      for (const [text, prefix] of list) {
        const family = text.includes(":") ? "ipv6" : "ipv4";
        blocks.addSubnet(text, prefix, family);
        table.set({ ip: maskIp(ip(text), prefix), prefix }, true);
      }
      const family = one.includes(":") ? "ipv6" : "ipv4";
      assert.equal(table.find(ip(one)) ?? false, blocks.check(one, family));
    }),
    { seed: 4, numRuns: 300 },
  );
});
