/** A process that was broken into can say what it likes to the parent: it harms itself alone. */
import assert from "node:assert/strict";
import {
  encodeReport,
  REPORT_SIZE,
  SECRET_SIZE,
  UNTIMED,
} from "../../src/wire/records.ts";
import { handlerFile } from "../helpers/handler_file.ts";
import { notRewound } from "../helpers/models.ts";
import { signalNow } from "../helpers/processes.ts";
import { models, startServer } from "../helpers/server.ts";
import { randomBytes, test } from "../helpers/testing.ts";
import {
  connect,
  hasEnded,
  hold,
  roundTrip,
  send,
} from "../helpers/wire_client.ts";

const HANDLER = await handlerFile("handlers/garbage.ts", import.meta.url);

function report(
  kind: "ready" | "took" | "done" | "exited" | "failed",
  id: number,
  pid = 0,
): Uint8Array<ArrayBuffer> {
  const outcome = kind === "done" || kind === "failed"
    ? { bytesIn: 1, bytesOut: 1, reason: "closed" as const, text: "a lie" }
    : null;
  const secret = new Uint8Array(SECRET_SIZE);
  return encodeReport({ ...UNTIMED, kind, id, pid, outcome, status: 0, secret })
    .slice();
}

/** The false reports, each of another process. */
const LIES: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {
  "one byte": new Uint8Array([1]),
  "random bytes": randomBytes(REPORT_SIZE),
  "a record that is too long": randomBytes(4000),
  "that it took a connection again": report("took", 2),
  "that a program took a connection": report("took", 2, 1),
  "that it is done with the connection of another": report("done", 1),
  "that another process has exited": report("exited", 1, 1),
};

for (const model of models()) {
  test(`garbage (${model}): a process that sends some is ended, and nobody else is harmed`, async () => {
    await using server = await startServer({
      crew: model === "pool" ? "usual" : "few", // those that were ended are replaced in a while
      model,
      args: ["--handler", HANDLER, "--grant", "ffi", ...notRewound(model)],
    });
    using other = await hold(server.port);
    for (const [what, bytes] of Object.entries(LIES)) {
      using conn = await connect(server.port);
      const peer = `127.0.0.1:${conn.localAddr.port}`;
      await send(conn, bytes);
      assert.ok(await hasEnded(conn), what);
      const line = await server.log.waitFor((line) =>
        line.message === "client disconnected..." && line.peer === peer
      );
      assert.match(String(line.reason), /^killed: SIGKILL$/, what);
      assert.equal(await roundTrip(other), "hello", what);
    }
    const told = server.log.where(
      /^Killed process \d+: it sent an unexpected report$/,
    );
    assert.ok(told.length > 0); // once a second at most
    using next = await hold(server.port);
    assert.equal(await roundTrip(next), "hello");
    assert.equal(
      server.log.where("client disconnected...").length,
      Object.keys(LIES).length,
    );
  });
}

test("garbage (fork): a process cannot take a connection that another is to have", async () => {
  await using server = await startServer({
    crew: "usual",
    model: "fork",
    args: [
      ...["--handler", HANDLER, "--grant", "ffi", "--zygotes", "1"],
      ...["--log-level", "debug"],
    ],
  });
  using thief = await connect(server.port);
  const { id } = await server.log.waitFor("new client connected...");
  const [zygote] = server.children().filter(({ parent }) =>
    parent === server.pid
  );
  Deno.kill(zygote!.pid, "SIGSTOP"); // so that it has the next one, and no child of it
  using next = await connect(server.port);
  await server.log.waitForCount("accepted", 2);
  await send(thief, report("took", Number(id) + 1));
  assert.ok(await hasEnded(thief));
  signalNow(zygote!.pid, "SIGCONT"); // after five seconds it would be gone
  assert.equal(await roundTrip(next), "hello");
  await server.log.waitForCount("new client connected...", 2);
  assert.equal(server.log.where("new client connected...").length, 2);
});
