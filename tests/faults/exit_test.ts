import assert from "node:assert/strict";
import { killNow, processInfo, signalNow } from "../helpers/processes.ts";
import { models, startServer } from "../helpers/server.ts";
import {
  randomBytes,
  sameBytes,
  steady,
  test,
  until,
} from "../helpers/testing.ts";
import { connect, exchange, hold } from "../helpers/wire_client.ts";

const ROUNDS = 8;

for (const model of models()) {
  test(`exit (${model}): a process that is killed while it ends cost its client nothing, and is told once`, async () => {
    await using server = await startServer({ model });
    const bytes = randomBytes(50_000);
    for (let i = 0; i < ROUNDS; i++) {
      using conn = await connect(server.port);
      assert.ok(sameBytes(await exchange(conn, bytes), bytes));
      // The client has its end of file, and the process is anywhere between that and its end.
      const pid = await server.processOf(conn);
      if (i % 2 === 0) signalNow(pid, "SIGSTOP");
      killNow(pid);
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
    for (let round = 0; round < 2; round++) {
      using conn = await hold(server.port);
      const pid = await server.processOf(conn);
      server.signal("SIGSTOP");
      try {
        assert.ok(sameBytes(await exchange(conn, bytes), bytes));
        await steady("it has said that it is done", () => {
          const isServing = server.serving().length > 0;
          const { state = "X" } = processInfo(pid) ?? {};
          return !isServing && "SX".includes(state) ? [state] : null;
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
