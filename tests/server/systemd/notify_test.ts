import assert from "node:assert/strict";
import {
  Notifier,
  watchdogInterval,
} from "../../../src/cli/serve/service_manager.ts";
import { anyModel, startServer } from "../../helpers/server.ts";
import { temporaryDirectory, test, until } from "../../helpers/testing.ts";
import { hold } from "../../helpers/wire_client.ts";
import { missing } from "../../helpers/tools.ts";
import { NotifyReceiver } from "./manager.ts";

const withPython = { ignore: missing("sd_notify", "python3") };

for (const model of anyModel()) {
  test(
    `sd_notify (${model}): the manager hears of the start, of life, of connections and of the end`,
    async () => {
      await using directory = temporaryDirectory();
      const path = `${directory.path}/notify`;
      await using manager = await NotifyReceiver.open(path);
      await using server = await startServer({
        model,
        through: ["env", `NOTIFY_SOCKET=${path}`, "WATCHDOG_USEC=20000000"],
      });
      await manager.waitFor("READY=1");
      assert.deepEqual(manager.messages[0], [
        "READY=1",
        `STATUS=Listening on 127.0.0.1:${server.port} (${model}), serving 0 connections`,
      ]);
      await manager.waitFor("WATCHDOG=1");
      {
        using _conn = await hold(server.port);
        await manager.waitFor(/^STATUS=Listening .*, serving 1 connection$/);
        server.signal("SIGTERM");
        await manager.waitFor("STOPPING=1");
        await manager.waitFor("STATUS=Draining, serving 1 connection");
      }
      assert.equal((await server.exit()).code, 0);
    },
    withPython,
  );
}

test(
  "sd_notify: an abstract address, and a sign of life at half the time that is wanted",
  async () => {
    const name = `@mpserv-test-${crypto.randomUUID()}`;
    await using manager = await NotifyReceiver.open(name);
    const troubles: string[] = [];
    using notifier = new Notifier(name, 100, (what) => troubles.push(what));
    const address = { transport: "tcp", hostname: "::1", port: 80 } as const;
    // Beats come when the test says so: a manager that is late has room for few.
    const { setInterval } = globalThis;
    let beat = () => {};
    const periods: unknown[] = [];
    globalThis.setInterval = ((then: () => void, period: number) => {
      beat = then;
      periods.push(period);
      return setInterval(then, 2 ** 30);
    }) as typeof setInterval;
    try {
      notifier.ready({ address, model: "pool" });
    } finally {
      globalThis.setInterval = setInterval;
    }
    assert.deepEqual(periods, [50]);
    await manager.waitFor(
      "STATUS=Listening on [::1]:80 (pool), serving 0 connections",
    );
    const beats = () => manager.all.filter((text) => text === "WATCHDOG=1");
    for (let i = 1; i <= 3; i++) {
      await until(`it has beaten ${i} times`, () => beats().length === i);
      if (i < 3) beat();
    }
    assert.deepEqual(troubles, []);
  },
  withPython,
);

test("sd_notify: a manager that is gone is told of once, and the server goes on", async () => {
  await using server = await startServer({
    through: [
      "env",
      "NOTIFY_SOCKET=/nonexistent/notify",
      "WATCHDOG_USEC=20000",
    ],
  });
  await server.log.waitFor(
    /^Cannot notify the service manager: sendto: .*ENOENT/,
  );
  using _conn = await hold(server.port);
  server.signal("SIGTERM");
  await server.log.waitFor("draining");
  assert.equal(server.log.where("Cannot notify").length, 1);
});

test("sd_notify: an address of another kind is refused", () => {
  for (
    const address of ["", "@", "notify", "vsock:2:1234", `/${"x".repeat(108)}`]
  ) {
    assert.throws(
      () => new Notifier(address, 0, () => {}),
      /^RangeError: Cannot use NOTIFY_SOCKET=".*": expected a path, or @ and a name/,
    );
  }
});

test("sd_notify: the watchdog's time is read, and is for one process", () => {
  assert.equal(watchdogInterval({}, 7), 0);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: "30000000" }, 7), 30_000);
  assert.equal(
    watchdogInterval({ WATCHDOG_USEC: "500", WATCHDOG_PID: "7" }, 7),
    0.5,
  );
  assert.equal(
    watchdogInterval({ WATCHDOG_USEC: "500", WATCHDOG_PID: "8" }, 7),
    0,
  );
  for (const text of ["", "0", "-1", "1.5", "30s", "9".repeat(16)]) {
    assert.throws(
      () => watchdogInterval({ WATCHDOG_USEC: text }, 7),
      /expected microseconds/,
    );
  }
});
