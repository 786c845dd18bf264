import assert from "node:assert/strict";
import {
  encodeAddress,
  encodeUnixAddress,
} from "../../../src/posix/net/address.ts";
import { parseNetwork } from "../../../src/server/networks.ts";
import { trustOf } from "../../../src/server/proxy/proxy_source.ts";
import { test } from "../../helpers/testing.ts";

function trusts(networks: string[], hostname: string): boolean {
  const peers = { networks: networks.map(parseNetwork), unix: false };
  return trustOf(peers)(
    encodeAddress({ transport: "tcp", hostname, port: 1 }),
  );
}

test("trustOf: a network is its addresses, an address is itself", () => {
  assert.ok(trusts(["10.0.0.0/8"], "10.255.0.1"));
  assert.ok(!trusts(["10.0.0.0/8"], "11.0.0.1"));
  assert.ok(trusts(["192.0.2.1"], "192.0.2.1"));
  assert.ok(!trusts(["192.0.2.1"], "192.0.2.2"));
  assert.ok(trusts(["2001:db8::/32"], "2001:db8:ffff::1"));
  assert.ok(!trusts(["2001:db8::/32"], "2001:db9::1"));
  assert.ok(trusts(["192.0.2.1", "::1"], "::1"));
  assert.ok(trusts(["0.0.0.0/0"], "255.255.255.255"));
  assert.ok(!trusts(["0.0.0.0/0"], "::1"));
  assert.ok(!trusts(["::/0"], "192.0.2.1"));
  assert.ok(!trusts([], "127.0.0.1"));
});

test("trustOf: to a listener of IPv6 a proxy of IPv4 is the same", () => {
  assert.ok(trusts(["192.0.2.0/24"], "::ffff:192.0.2.1"));
  assert.ok(!trusts(["192.0.2.0/24"], "::ffff:192.0.3.1"));
});

test("trustOf: peers on a Unix domain socket are trusted by their name alone", () => {
  const everyone = ["0.0.0.0/0", "::/0"].map(parseNetwork);
  const unnamed = encodeUnixAddress(new Uint8Array(0));
  assert.ok(trustOf({ networks: [], unix: true })(unnamed));
  assert.ok(!trustOf({ networks: everyone, unix: false })(unnamed));
});
