import assert from "node:assert/strict";
import { processInfo } from "../helpers/processes.ts";
import { killNow, models, startServer } from "../helpers/server.ts";
import { randomBytes, sameBytes, test, until } from "../helpers/testing.ts";
import { connect, exchange, hold } from "../helpers/wire_client.ts";

const ROUNDS = 15;

for (const model of models()) {
  test(`exit (${model}): a process that is killed while it ends cost its client nothing, and is told once`, async () => {
    await using server = await startServer({ model });
    const bytes = randomBytes(50_000);
    for (let i = 0; i < ROUNDS; i++) {
      using conn = await connect(server.port);
      const peer = `127.0.0.1:${conn.localAddr.port}`;
      assert.ok(sameBytes(await exchange(conn, bytes), bytes));
      // The client has its end of file, and the process is anywhere between that and its end.
      const { pid } = await server.log.waitFor((line) =>
        line.message === "new client connected..." && line.peer === peer
      );
      if (i % 2 === 0) stopNow(Number(pid));
      killNow(Number(pid));
    }
    await server.log.waitForCount("client disconnected...", ROUNDS);
    await server.isQuiet();
    const ends = server.log.where("client disconnected...");
    assert.equal(ends.length, ROUNDS);
    for (const { reason } of ends) {
      assert.match(String(reason), /^(closed|killed: SIGKILL)$/);
    }
    await until("all are reaped", () => {
      const pids = new Set(ends.map(({ pid }) => pid));
      const removed = server.log.where(/^removed proc id/);
      return removed.length >= pids.size;
    });
  });
}

for (const model of models()) {
  test(`exit (${model}): what a process said before it was killed is heard by a parent that comes late`, async () => {
    await using server = await startServer({ model });
    const bytes = randomBytes(50_000);
    for (let round = 0; round < 5; round++) {
      using conn = await hold(server.port);
      const { pid } = server.serving()[0]!;
      server.signal("SIGSTOP");
      try {
        assert.ok(sameBytes(await exchange(conn, bytes), bytes));
        await until("it has said that it is done", () => {
          const isServing = server.serving().length > 0;
          const state = processInfo(pid)?.state;
          return !isServing && (state === undefined || state === "S");
        });
        for (const { pid } of server.children()) killNow(pid);
      } finally {
        server.signal("SIGCONT");
      }
      await server.log.waitForCount("client disconnected...", round + 1);
      const { reason, in: received } = server.log.where(
        "client disconnected...",
      )[round]!;
      assert.deepEqual([reason, received], ["closed", bytes.length + 5]);
    }
  });
}

function stopNow(pid: number): void {
  try {
    Deno.kill(pid, "SIGSTOP");
  } catch {
    // It has ended.
  }
}
