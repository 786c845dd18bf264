import assert from "node:assert/strict";
import { models, startServer } from "../helpers/server.ts";
import { randomBytes, sameBytes, test, until } from "../helpers/testing.ts";
import { isAlive, type ProcessInfo } from "../helpers/processes.ts";
import { exchange, hold, roundTrip } from "../helpers/wire_client.ts";

for (const model of models()) {
  test(`orphans (${model}): a parent that is killed takes those that wait, and those that serve finish`, async () => {
    await using server = await startServer({ model, crew: "usual" });
    using held = await hold(server.port);
    const serving = await server.processOf(held);
    assert.equal((await server.stop("SIGKILL")).signal, "SIGKILL");
    await until("only those that serve are left", () => {
      // What a serving process needs to be there, such as its zygote, may stay with it.
      const left = server.survivors();
      return left.length <= 2 &&
        left.some(({ pid }) => pid === serving);
    });
    assert.equal(await roundTrip(held), "hello");
    const bytes = randomBytes(300_000);
    assert.ok(sameBytes(await exchange(held, bytes), bytes));
    await until("nothing is left", () => server.survivors().length === 0);
  });

  test(`orphans (${model}): a parent that is killed without clients leaves nothing`, async () => {
    await using server = await startServer({ model, crew: "usual" });
    (await hold(server.port)).close();
    await server.stop("SIGKILL");
    await until("nothing is left", () => server.survivors().length === 0);
  });

  test(`orphans (${model}): those that serve finish, also when another process was stopped`, async () => {
    await using server = await startServer({ model });
    using held = await hold(server.port);
    using other = await hold(server.port);
    const serving = await server.processOf(held);
    const stopped = await server.processOf(other);
    const waits: number[] = [];
    for (const { pid, comm } of server.children()) {
      if (comm !== "mpserv:conn" || pid === serving) continue;
      Deno.kill(pid, "SIGSTOP");
      if (pid !== stopped) waits.push(pid);
    }
    // The kernel hangs up on a group that has lost its parent and in which one is stopped (POSIX, 3.264).
    assert.equal((await server.stop("SIGKILL")).signal, "SIGKILL");
    const stays = ({ pid, comm }: ProcessInfo) =>
      comm === "mpserv:conn" && !waits.includes(pid);
    await until(
      "only those that serve are left",
      () => server.survivors().every(stays),
    );
    assert.equal(await roundTrip(held), "hello");
    const bytes = randomBytes(300_000);
    assert.ok(sameBytes(await exchange(held, bytes), bytes));
    if (isAlive(stopped)) Deno.kill(stopped, "SIGCONT");
    other.close();
  });

  test(`orphans (${model}): a parent that is killed gives its port back at once`, async () => {
    await using first = await startServer({ model });
    using held = await hold(first.port);
    await first.stop("SIGKILL");
    await using second = await startServer({
      model,
      port: String(first.port),
    });
    using next = await hold(second.port);
    assert.deepEqual([await roundTrip(held), await roundTrip(next)], [
      "hello",
      "hello",
    ]);
    held.close();
  });
}

test("orphans (spawn): a process that serves stays alone", async () => {
  await using server = await startServer({ model: "spawn", crew: "usual" });
  using held = await hold(server.port);
  const serving = await server.processOf(held);
  await server.stop("SIGKILL");
  await until("it is alone", () => server.survivors().length === 1);
  assert.deepEqual(server.survivors().map(({ pid }) => pid), [serving]);
  held.close();
});
