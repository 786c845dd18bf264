/** Connections that never finish their PROXY header keep nobody else out. */
import assert from "node:assert/strict";
import { withDescriptors } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { connect, exchange, send } from "../helpers/wire_client.ts";

const PROXIES = ["--proxy-protocol", "127.0.0.0/8", "--proxy-timeout", "10m"];
const MODEL = "fork"; // no model is concerned: they have not been handed over
const HEADER = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
const encoder = new TextEncoder();

/** Connections that send the first bytes of a header, and no more. */
async function slow(
  count: number,
  port: number,
): Promise<DisposableStack> {
  const stack = new DisposableStack();
  for (let i = 0; i < count; i++) {
    const conn = stack.adopt(await connect(port), (conn) => conn.close());
    await send(conn, encoder.encode("PROXY "));
  }
  return stack;
}

/** Whether a client with a header in order is served. */
async function isServed(port: number): Promise<boolean> {
  using conn = await connect(port);
  const bytes = await exchange(conn, encoder.encode(HEADER + "hello"))
    .catch(() => new Uint8Array());
  return new TextDecoder().decode(bytes) === "hello";
}

test("attack, slow PROXY headers: more than there are places keep no client out", async () => {
  await using server = await startServer({
    model: MODEL,
    args: PROXIES,
    through: withDescriptors(512), // 32 places
  });
  using _slow = await slow(100, server.port);
  assert.ok(await isServed(server.port));
  const refused = await server.log.waitFor("clients refused");
  assert.equal(refused.reason, "proxy-protocol");
});

for (const overload of ["refuse", "wait"]) {
  test(`attack, slow PROXY headers: they do not fill --max-connections for long (--overload ${overload})`, async () => {
    await using server = await startServer({
      model: MODEL,
      args: [...PROXIES, "--max-connections", "2", "--overload", overload],
    });
    using _slow = await slow(2, server.port);
    await until("a client is served", () => isServed(server.port));
  });
}
