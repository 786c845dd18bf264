/** Anything at all may come over the control socket: the server answers or hangs up, and goes on. */
import fc from "fast-check";
import assert from "node:assert/strict";
import type { Status } from "../../src/control/protocol.ts";
import { runs } from "../helpers/runs.ts";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { hold, receiveAll, roundTrip, send } from "../helpers/wire_client.ts";
import { controlled, controlPath, json } from "./helpers.ts";

const request = fc.json().map((json) => new TextEncoder().encode(json + "\n"));
const line = fc.string({ unit: "binary" }).map((text) =>
  new TextEncoder().encode(text + "\n")
);
const noise = fc.oneof(
  fc.uint8Array({ maxLength: 5000 }),
  request,
  line,
  fc.array(fc.oneof(request, line), { maxLength: 20 }).map((parts) =>
    new Uint8Array(parts.flatMap((part) => [...part]))
  ),
);

test("control socket: random bytes are answered by errors, and harm nobody", async () => {
  await using server = await startServer();
  const held = await hold(server.port);
  const path = await controlled(controlPath(server));
  await fc.assert(
    fc.asyncProperty(noise, fc.boolean(), async (bytes, isPatient) => {
      using conn = await Deno.connect({ transport: "unix", path });
      await send(conn, bytes).catch(() => {}); // it may hang up before all has gone
      if (!isPatient) return;
      await conn.closeWrite().catch(() => {});
      const answer = await receiveAll(conn).catch(() => new Uint8Array(0));
      for (const text of new TextDecoder().decode(answer).split("\n")) {
        if (text !== "") JSON.parse(text); // whole lines of JSON, whatever was asked
      }
    }),
    runs(30),
  );
  assert.equal(await roundTrip(held), "hello");
  held.close(); // or the server would wait for it
  const { pid } = await json<Status>(["status", path]);
  assert.equal(pid, server.pid);
  assert.deepEqual(server.log.others, []);
  assert.equal((await server.stop()).code, 0);
});
