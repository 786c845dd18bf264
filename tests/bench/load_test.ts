import assert from "node:assert/strict";
import { anyModel, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test, until } from "../helpers/testing.ts";
import { benchWell } from "./helpers.ts";

for (const model of anyModel("fork")) {
  test(`bench --connect: counts the connections that the server served (${model})`, async () => {
    await using server = await startServer({ model });
    const outcome = await benchWell("127.0.0.1", `${server.port}`, "--connect");
    const { count, p50, p99 } = outcome.latency!;
    assert.ok(count > 0 && count >= outcome.requests && p50 <= p99);
    // One more was served: the one that looks whether anybody is there.
    await until(`more than ${count} are served`, () => {
      return server.log.where("client disconnected...").length > count;
    });
  });
}

test("bench --ping: round trips of any size, also longer than all buffers on the way", async () => {
  await using server = await startServer({ model: "fork" });
  for (const size of ["1", "8MiB"]) {
    const port = `${server.port}`;
    const args = ["--ping", "--size", size, "--connections", "3"];
    const outcome = await benchWell("127.0.0.1", port, ...args);
    assert.ok(outcome.latency!.count > 0, size);
    assert.equal(
      outcome.plan.processes,
      Math.min(3, navigator.hardwareConcurrency),
    );
  }
});

test("bench --ping --rate: asks as often as it was told, each request once, and leaves out the warm-up", async () => {
  await using server = await startServer({ model: "fork" });
  const port = `${server.port}`;
  const args = ["--rate", "200", "--warmup", "100ms", "--duration", "500ms"];
  const outcome = await benchWell("127.0.0.1", port, "--ping", ...args);
  assert.equal(outcome.latency!.count, 100); // of 120
});

test("bench --stream: bytes come back as they were sent, whatever --processes", async () => {
  await using server = await startServer({ model: "fork" });
  for (
    const [processes, duration] of [["1", "500ms"], ["2", "200ms"]]
  ) {
    const load = ["--stream", "--connections", "2", "--processes", processes!];
    const args = [...load, "--duration", duration!];
    const outcome = await benchWell("127.0.0.1", `${server.port}`, ...args);
    assert.ok(outcome.bytesPerSecond > 0, processes);
    if (duration !== "500ms") continue;
    const timeline = outcome.timeline.reduce(
      (sum, { bytes }) => sum + bytes,
      0,
    );
    assert.equal(timeline / 0.5, outcome.bytesPerSecond);
  }
});

for (const model of anyModel("fork")) {
  const count = model === "fork" ? 40 : 3;
  test(`bench --hold: every connection is open at once, and is served twice (${model})`, async () => {
    await using server = await startServer({
      model,
      crew: model === "pool" ? "usual" : "few",
    });
    const port = `${server.port}`;
    const { held } = await benchWell("127.0.0.1", port, "--hold", `${count}`);
    assert.deepEqual([held!.connections, held!.again], [count, count]);
    const { before, during, bytesPerConnection } = held!;
    assert.deepEqual([before!.pid, during!.pid], [server.pid, server.pid]);
    assert.ok(during!.processes > count, `${during!.processes} processes`);
    assert.ok(before!.bytes > 1e6);
    // The processes of a pool are there before.
    assert.ok(model === "pool" || during!.bytes > before!.bytes);
    assert.equal(bytesPerConnection, during!.bytes / count);
  });
}

test("bench --unix: measures a Unix domain socket", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/echo.sock`;
  await using server = await startServer({
    model: "fork",
    port: null,
    args: ["--unix", path],
  });
  const { latency } = await benchWell("--unix", path, "--ping");
  assert.ok(latency!.count > 0);
  const { held } = await benchWell("--unix", path, "--hold", "2");
  assert.equal(held!.during!.pid, server.pid);
});

test("bench: measures a server by its name and over IPv6", async () => {
  await using server = await startServer({
    model: "fork",
    args: ["--host", "::1"],
  });
  const outcome = await benchWell("::1", `${server.port}`, "--connect");
  assert.ok(outcome.latency!.count > 0);
});
