import assert from "node:assert/strict";
import { darwin, linux } from "../../src/posix/abi.ts";
import {
  type Address,
  decodeAddress,
  encodeAddress,
  formatAddress,
  nameZone,
  zoneIndex,
} from "../../src/posix/net/address.ts";
import { test } from "../helpers/testing.ts";

/** `struct sockaddr_in6` on Linux, port 9190, from the address's 16 bytes. */
function in6(hex: string): Uint8Array {
  return Uint8Array.fromHex("0a0023e600000000" + hex + "00000000");
}

function text(bytes: string | Uint8Array, layout = linux): string {
  const raw = typeof bytes === "string" ? Uint8Array.fromHex(bytes) : bytes;
  return formatAddress(decodeAddress(raw, layout));
}

/** `struct sockaddr_un` on Linux. */
function unix(path: string): Uint8Array {
  return new Uint8Array([1, 0, ...new TextEncoder().encode(path)]);
}

test("decodeAddress: reads IPv4", () => {
  const bytes = Uint8Array.fromHex("020023e67f0000010000000000000000");
  const expected: Address = {
    transport: "tcp",
    hostname: "127.0.0.1",
    port: 9190,
  };
  assert.deepEqual(decodeAddress(bytes, linux), expected);
});

test("decodeAddress: reads all of a port's range", () => {
  assert.equal(text("02000000c0000201" + "0".repeat(16)), "192.0.2.1:0");
  assert.equal(text("0200ffffffffffff"), "255.255.255.255:65535");
});

const IPV6: readonly (readonly [hex: string, host: string])[] = [
  ["00000000000000000000000000000000", "::"],
  ["00000000000000000000000000000001", "::1"],
  ["20010db8000000000000000000000001", "2001:db8::1"],
  ["20010db8000000010000000000000001", "2001:db8:0:1::1"],
  ["20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
  ["20010db8000100020003000400050006", "2001:db8:1:2:3:4:5:6"],
  ["20010DB8ABCD00000000000000000000", "2001:db8:abcd::"],
  ["fe800000000000000202b3fffe1e8329", "fe80::202:b3ff:fe1e:8329"],
];
for (const [hex, host] of IPV6) {
  test(`decodeAddress: writes ${host} in its shortest form`, () => {
    assert.equal(text(in6(hex)), `[${host}]:9190`);
  });
}

test("decodeAddress: reads an IPv4-mapped address as IPv4", () => {
  assert.equal(
    text(in6("00000000000000000000ffffcb007107")),
    "203.0.113.7:9190",
  );
});

test("decodeAddress: leaves an IPv4-compatible address as IPv6", () => {
  assert.equal(
    text(in6("000000000000000000000000cb007107")),
    "[::cb00:7107]:9190",
  );
});

test("decodeAddress: reads a Unix path to its first zero byte", () => {
  assert.equal(text(unix("/tmp/echo.sock\0\0\0")), "/tmp/echo.sock");
  assert.equal(text(unix("/tmp/echo.sock")), "/tmp/echo.sock");
  assert.equal(text(unix("/tmp/에코.sock\0")), "/tmp/에코.sock");
});

test("decodeAddress: marks an abstract Unix address", () => {
  assert.equal(text(unix("\0echo")), "@echo");
});

test("decodeAddress: reads an unnamed Unix socket as an empty path", () => {
  for (const bytes of ["0100", "010000", ""]) {
    const address = decodeAddress(Uint8Array.fromHex(bytes), linux);
    assert.deepEqual(address, { transport: "unix", path: "" });
    assert.equal(formatAddress(address), "unix");
  }
});

test("decodeAddress: takes an unknown family for a socket without a name", () => {
  for (const bytes of ["11000300", "0200", "0a0023e600000000"]) {
    assert.equal(text(bytes), "unix");
  }
});

test("decodeAddress: reads darwin's layout, with a length before the family", () => {
  assert.equal(
    text("100223e67f0000010000000000000000", darwin),
    "127.0.0.1:9190",
  );
  const loopback = "00000000000000000000000000000001";
  assert.equal(
    text(`1c1e23e600000000${loopback}00000000`, darwin),
    "[::1]:9190",
  );
  assert.equal(text("6a012f746d702f7300", darwin), "/tmp/s");
});

test("decodeAddress: reads a part of a larger buffer", () => {
  const buffer = Uint8Array.fromHex("ffffff020023e67f000001ffff");
  assert.equal(text(buffer.subarray(3, 11)), "127.0.0.1:9190");
});

for (const layout of [linux, darwin]) {
  const name = layout === linux ? "Linux" : "macOS";
  test(`encodeAddress: decodeAddress reads what it writes (${name})`, () => {
    const hosts = ["0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1"];
    hosts.push("2001:db8::1", "fe80::1:0:0:2", "1:2:3:4:5:6:7:8");
    for (const hostname of hosts) {
      for (const port of [0, 9190, 65535]) {
        const address: Address = { transport: "tcp", hostname, port };
        const bytes = encodeAddress(address, layout);
        assert.equal(bytes.length, hostname.includes(":") ? 28 : 16);
        assert.deepEqual(decodeAddress(bytes, layout), address);
      }
    }
    const unix: Address = { transport: "unix", path: "/run/é.sock" };
    assert.deepEqual(decodeAddress(encodeAddress(unix, layout), layout), unix);
  });
}

test("encodeAddress: refuses what is no address", () => {
  for (
    const hostname of ["", "localhost", "256.0.0.1", "1.2.3", "::g", "[::1]"]
  ) {
    const address: Address = { transport: "tcp", hostname, port: 1 };
    assert.throws(() => encodeAddress(address, linux), TypeError, hostname);
  }
  const long: Address = { transport: "unix", path: "/" + "x".repeat(103) };
  assert.throws(() => encodeAddress(long, linux), /103 bytes at most/);
});

test("decodeAddress: a link-local address has its zone, by name or by number", () => {
  const head = "0a0023e600000000fe80000000000000000000000000000103000000";
  assert.equal(text(head), "[fe80::1%3]:9190");
  const bytes = Uint8Array.fromHex(head);
  assert.equal(text(nameZone(bytes, "eth0")), "[fe80::1%eth0]:9190");
  assert.equal(text(nameZone(bytes, "")), "[fe80::1%3]:9190");
  bytes[24] = 0;
  assert.equal(text(bytes), "[fe80::1]:9190");
});

test("decodeAddress: an address of another scope has no zone", () => {
  const global = "20010db8000000000000000000000001";
  assert.equal(
    text(`0a0023e600000000${global}03000000`),
    "[2001:db8::1]:9190",
  );
});

test("zoneIndex: reads the scope of link-local addresses on both systems", () => {
  const rest = "23e600000000febf000000000000000000000000000107000000";
  assert.equal(zoneIndex(Uint8Array.fromHex("0a00" + rest), linux), 7);
  assert.equal(zoneIndex(Uint8Array.fromHex("1c1e" + rest), darwin), 7);
  assert.equal(zoneIndex(Uint8Array.fromHex("0200" + rest), linux), 0);
  assert.equal(zoneIndex(Uint8Array.fromHex("0a00"), linux), 0);
});
