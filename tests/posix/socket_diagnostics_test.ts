import assert from "node:assert/strict";
import { formatAddress } from "../../src/posix/net/address.ts";
import {
  hasSocketDiagnostics,
  type TcpConnection,
  tcpConnections,
} from "../../src/posix/net/socket_diagnostics.ts";
import { test, until } from "../helpers/testing.ts";

const ignore = !hasSocketDiagnostics;
const nameOf = (conn: Deno.TcpConn) => formatAddress(conn.localAddr);

/** A listener, one connection of it, and what the kernel says of that. */
async function connected(listening: string, connecting: string) {
  const listener = Deno.listen({ hostname: listening, port: 0 });
  const address = listener.addr as Deno.NetAddr;
  const client = await Deno.connect({
    hostname: connecting,
    port: address.port,
  });
  const server = await listener.accept();
  const look = () => tcpConnections(address).get(nameOf(client));
  const close = () => [listener, client, server].forEach((it) => it.close());
  return { client, server, address, look, [Symbol.dispose]: close };
}

/** Waits until the kernel says so. */
async function shows(
  look: () => TcpConnection | undefined,
  wanted: Partial<TcpConnection>,
): Promise<void> {
  const entries = Object.entries(wanted);
  await until(`the kernel shows ${JSON.stringify(wanted)}`, () => {
    const now = Object.entries(look() ?? {});
    return entries.every(([name, value]) =>
      now.some(([n, v]) => n === name && v === value)
    );
  });
}

for (
  const [listening, connecting] of [
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "::1"],
    ["::", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.2"],
  ] as const
) {
  test(
    `tcpConnections: shows bytes and ends of ${connecting} at ${listening}`,
    async () => {
      using pair = await connected(listening, connecting);
      const { client, server, look } = pair;
      await shows(look, { bytesIn: 0, bytesOut: 0, peerEnded: false });
      await client.write(new Uint8Array(5));
      await server.write(new Uint8Array(7));
      await shows(look, { bytesIn: 5, bytesOut: 7, peerEnded: false });
      await client.closeWrite();
      await shows(look, { bytesIn: 5, bytesOut: 7, peerEnded: true });
    },
    { ignore },
  );
}

test("tcpConnections: our own end is no byte", async () => {
  using pair = await connected("127.0.0.1", "127.0.0.1");
  const { client, server, look } = pair;
  await server.write(new Uint8Array(3));
  await server.closeWrite();
  assert.equal(await client.read(new Uint8Array(8)), 3);
  assert.equal(await client.read(new Uint8Array(8)), null);
  await shows(look, { bytesOut: 3 });
  for (let i = 0; i < 20; i++) { // until after the client has acknowledged it, which may be delayed
    assert.deepEqual([look()!.bytesOut, look()!.peerEnded], [3, false]);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}, { ignore });

test(
  "tcpConnections: times grow while nothing moves, and begin anew with a byte",
  async () => {
    using pair = await connected("127.0.0.1", "127.0.0.1");
    const { client, look } = pair;
    await until("it is idle", () => look()!.sinceReceived >= 200);
    const { sinceReceived, sinceSent } = look()!;
    assert.ok(sinceSent >= 200);
    await until("it is not", async () => {
      await client.write(new Uint8Array(1)); // again, should we have slept for as long
      return look()!.sinceReceived < sinceReceived;
    });
    assert.ok(look()!.sinceSent >= sinceSent);
  },
  { ignore },
);

test(
  "tcpConnections: shows what waits in the backlog, and nothing of other listeners",
  async () => {
    using pair = await connected("127.0.0.1", "127.0.0.1");
    using other = await connected("127.0.0.1", "127.0.0.1");
    const { port } = pair.address;
    using waiting = await Deno.connect({ hostname: "127.0.0.1", port });
    const peers = () => [...tcpConnections(pair.address).keys()].sort();
    await until("two are there", () => peers().length === 2);
    assert.deepEqual(peers(), [nameOf(pair.client), nameOf(waiting)].sort());
    assert.equal(tcpConnections(other.address).size, 1);
    const elsewhere = { ...pair.address, hostname: "127.0.0.9" };
    assert.equal(tcpConnections(elsewhere).size, 0);
  },
  { ignore },
);
