/** One source that shows itself by several addresses is one source. */
import assert from "node:assert/strict";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import {
  connect,
  hasEnded,
  hold,
  roundTrip,
  send,
} from "../helpers/wire_client.ts";

const MODEL = "fork"; // no model is concerned: who is refused is not handed over

/** A connection by a proxy that speaks for a client, held as far as it is not refused. */
async function by(header: string, port: number): Promise<Deno.Conn> {
  const conn = await connect(port);
  await send(conn, new TextEncoder().encode(`PROXY ${header} 1000 2000\r\n`));
  return conn;
}

test("attack, sources: an IPv4 address and its IPv6 forms are one source", async () => {
  await using server = await startServer({
    model: MODEL,
    args: ["--max-per-source", "1", "--proxy-protocol", "127.0.0.0/8"],
  });
  using first = await by("TCP4 192.0.2.1 192.0.2.9", server.port);
  assert.equal(await roundTrip(first), "hello");
  for (
    const mapped of [
      "::ffff:192.0.2.1",
      "::ffff:c000:201",
      "0:0:0:0:0:ffff:c000:201",
    ]
  ) {
    using other = await by(`TCP6 ${mapped} ::1`, server.port);
    assert.ok(await hasEnded(other), mapped);
  }
  using next = await by("TCP6 ::ffff:192.0.2.2 ::1", server.port);
  assert.equal(await roundTrip(next), "hello", "another source is served");
});

test("attack, sources: addresses of one /64 are one source", async () => {
  await using server = await startServer({
    model: MODEL,
    args: ["--max-per-source", "1", "--proxy-protocol", "127.0.0.0/8"],
  });
  using first = await by("TCP6 2001:db8:1:2::1 ::1", server.port);
  assert.equal(await roundTrip(first), "hello");
  for (const same of ["2001:db8:1:2::2", "2001:db8:1:2:ffff:ffff:ffff:ffff"]) {
    using other = await by(`TCP6 ${same} ::1`, server.port);
    assert.ok(await hasEnded(other), same);
  }
  using next = await by("TCP6 2001:db8:1:3::1 ::1", server.port);
  assert.equal(await roundTrip(next), "hello", "another /64 is served");
});

test("attack, sources: on :: an IPv4 client is one source, and denied as one of IPv4", async () => {
  await using server = await startServer({
    model: MODEL,
    args: ["--host", "::", "--max-per-source", "1"],
  });
  using first = await hold(server.port);
  using second = await connect(server.port);
  assert.ok(await hasEnded(second));
  assert.equal(await roundTrip(first), "hello");
  await using denying = await startServer({
    model: MODEL,
    args: ["--host", "::", "--deny", "127.0.0.0/8"],
  });
  using denied = await connect(denying.port);
  assert.ok(await hasEnded(denied));
  const { reason } = await denying.log.waitFor("clients refused");
  assert.equal(reason, "denied");
});
