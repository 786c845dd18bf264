import assert from "node:assert/strict";
import { killNow, signalNow } from "../helpers/processes.ts";
import { startServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { hold, roundTrip } from "../helpers/wire_client.ts";

test("zygote: when one is killed, who is served goes on, and new clients are served", async () => {
  await using server = await startServer({ model: "fork" });
  const held = await Promise.all(
    Array.from({ length: 30 }, () => hold(server.port)),
  );
  const zygotes = server.children().filter(({ comm }) =>
    comm === "mpserv:zygote"
  );
  Deno.kill(zygotes[0]!.pid, "SIGKILL");
  await server.log.waitFor(/^Zygote \d+ ended/);
  for (const conn of held) assert.equal(await roundTrip(conn), "hello");
  using next = await hold(server.port);
  assert.equal(await roundTrip(next), "hello");
  for (const conn of held) conn.close();
  await until(
    "the orphans are reaped, too",
    () => server.log.where(/^removed proc id/).length === held.length,
  );
  assert.equal(server.log.where(/^client disconnected/).length, held.length);
});

for (const end of ["SIGKILL", "nobody"] as const) {
  test(`zygote: connections that a stopped one has not taken go to another (ended by ${end})`, async () => {
    await using server = await startServer({
      crew: "usual",
      model: "fork",
      args: ["--log-level", "debug"],
    });
    const [stopped] = server.children().filter(({ comm }) =>
      comm === "mpserv:zygote"
    );
    Deno.kill(stopped!.pid, "SIGSTOP");
    const holds = Array.from({ length: 10 }, () => hold(server.port));
    await until(
      "all are accepted",
      () => server.log.where("accepted").length === 10,
    );
    // Ended by nobody, it is found out to be stuck after a while.
    if (end === "SIGKILL") Deno.kill(stopped!.pid, "SIGKILL");
    for (const conn of await Promise.all(holds)) {
      assert.equal(await roundTrip(conn), "hello");
      conn.close();
    }
  });
}

test("zygote: what ended while it was stopped is reaped when it goes on", async () => {
  await using server = await startServer({ model: "pool" });
  const pids = (zygote: boolean) =>
    server.children().filter(({ comm, state }) =>
      (comm === "mpserv:zygote") === zygote && state !== "Z"
    ).map(({ pid }) => pid);
  for (let round = 0; round < 2; round++) {
    (await hold(server.port)).close(); // somebody is there to be killed
    const [stopped] = pids(true);
    Deno.kill(stopped!, "SIGSTOP");
    const workers = pids(false);
    for (const pid of workers) killNow(pid);
    const left = () =>
      server.children().filter(({ pid }) => workers.includes(pid));
    await until(
      "they have ended",
      () => left().every(({ state }) => state === "Z"),
    );
    signalNow(stopped!, "SIGCONT"); // after five seconds it would be gone
    await until("they are reaped", () => left().length === 0);
  }
  using next = await hold(server.port);
  assert.equal(await roundTrip(next), "hello");
});

test("zygote: children whose end it had no time to report are settled when it is killed", async () => {
  const COUNT = 300; // more than the parent's socket has room for
  await using server = await startServer({ model: "fork" });
  const held = await Promise.all(
    Array.from({ length: COUNT }, () => hold(server.port)),
  );
  await server.log.waitForCount("new client connected...", COUNT);
  const [zygote] = server.children().filter(({ parent }) =>
    parent === server.pid
  );
  server.signal("SIGSTOP");
  try {
    for (const conn of held) conn.close();
    let left = COUNT, same = 0;
    await until("all have ended whose reports find room", () => {
      const now = server.children().length;
      same = now < COUNT && now === left ? same + 1 : 0;
      left = now;
      return same === 10;
    });
    killNow(zygote!.pid);
  } finally {
    server.signal("SIGCONT");
  }
  await server.log.waitForCount("client disconnected...", COUNT);
  const ends = server.log.where("client disconnected...");
  assert.deepEqual(ends.filter(({ reason }) => reason !== "closed"), []);
  await until(
    "all are reaped, or given up",
    () => server.log.where(/^removed proc id/).length === COUNT,
  );
});
