/** A report is believed from the process that was made for its connection, and no signal reaches another. */
import assert from "node:assert/strict";
import {
  isAlive,
  processInfo,
  processTable,
  signalNow,
} from "../helpers/processes.ts";
import { notRewound } from "../helpers/models.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import {
  settles,
  temporaryDirectory,
  test,
  until,
} from "../helpers/testing.ts";
import { connect, hasEnded, hold, roundTrip } from "../helpers/wire_client.ts";
import { controlled, json } from "../control/helpers.ts";
import type { Status } from "../../src/control/protocol.ts";
import { AT_ONCE, attack, order, report, startVictim } from "./attack.ts";

const ONE = ["--zygotes", "1"];
const isFork = { ignore: !models().includes("fork") };

/** A process that has nothing to do with the server, and the pid of a child that it does not reap. */
async function bystander(): Promise<
  { pid: number; zombie: number } & AsyncDisposable
> {
  const process = new Deno.Command("sh", {
    args: ["-c", "sleep 0 & exec sleep 1000"],
  }).spawn();
  const { pid } = process;
  let zombie = 0;
  await until("there is a zombie", () => {
    zombie = processTable().find(({ parent, state }) =>
      parent === pid && state === "Z"
    )?.pid ?? 0;
    return zombie > 0;
  });
  const dispose = async () => {
    process.kill("SIGKILL");
    await process.status;
  };
  return { pid, zombie, [Symbol.asyncDispose]: dispose };
}

/** The connections that the server counts as served. */
async function active(server: TestServer): Promise<number> {
  const path = await controlled(server.controlPath);
  return (await json<Status>(["status", path])).totals.active;
}

test(
  "who speaks (fork): nobody takes a connection that another process is to have",
  async () => {
    await using server = await startVictim("fork", ONE);
    {
      using robber = await connect(server.port); // served before the zygote is stopped
      await server.log.waitFor("new client connected...");
      const [zygote] = server.children().filter(({ parent }) =>
        parent === server.pid
      );
      Deno.kill(zygote!.pid, "SIGSTOP"); // so that it has the next ones, and no child of it
      const coming = await Promise.all(
        [2, 3, 4].map(() => connect(server.port)),
      );
      // Each claim comes from a process that nobody has heard of.
      const messages = [2, 3, 4].map((id) => ({ data: report("took", id) }));
      await order(robber, { messages, forks: true });
      await server.log.waitFor(/unexpected report|^Ignored a report/);
      signalNow(zygote!.pid, "SIGCONT"); // after five seconds it would be gone
      for (const conn of coming) {
        assert.equal(await roundTrip(conn), "hello");
        conn.close();
      }
    }
    // No connection stays for ever in the name of a process that never had it.
    await settles(async () => assert.equal(await active(server), 0));
  },
  isFork,
);

test(
  "who speaks (fork): a process that knows no secret ends nobody's connection",
  async () => {
    await using server = await startVictim("fork", ONE);
    using other = await hold(server.port);
    const messages = [{ data: report("done", 1) }];
    for (const forks of [false, true]) {
      using robber = await attack(server.port, { messages, forks });
      await server.log.waitFor(/unexpected report|^Ignored a report/);
      assert.equal(await roundTrip(other), "hello");
      assert.equal(
        server.log.where("client disconnected...").filter(({ id }) => id === 1)
          .length,
        0,
      );
      assert.ok(forks || await hasEnded(robber));
    }
  },
  isFork,
);

for (const model of models()) {
  test(`who speaks (${model}): a forged pid has nobody signalled, and no line written for each message`, async () => {
    await using other = await bystander();
    const started = performance.now();
    await using server = await startVictim(model);
    const pids = [1, other.zombie, server.pid, other.pid];
    const kinds = ["took", "ready", "done", "exited"] as const;
    const few = model === "spawn" ? 2 : 4; // there each connection costs a runtime
    for (const pid of pids.slice(-few)) {
      for (const kind of kinds.slice(-few)) {
        const messages = [{ data: report(kind, 1, pid), pid }];
        using _ = await attack(server.port, { messages, times: 100 });
        using next = await hold(server.port); // is heard of after what was sent before
        assert.equal(await roundTrip(next), "hello");
      }
    }
    const seconds = Math.ceil((performance.now() - started) / 1000);
    const lines =
      server.log.where(/unexpected report|^Ignored a report/i).length;
    assert.ok(lines <= 2 * (seconds + 1), `${lines} lines in ${seconds} s`);
    await server.stop();
    assert.ok(isAlive(other.pid));
    assert.equal(processInfo(other.zombie)?.state, "Z");
  });
}

test(
  "who speaks (fork): who shuts down the socket that all share harms nobody else",
  async () => {
    await using server = await startVictim("fork", ONE);
    {
      using other = await hold(server.port);
      using _ = await attack(server.port, { messages: [], shutdown: true });
      await server.log.waitFor(/cannot report any more/);
      assert.equal(await roundTrip(other), "hello");
      for (let i = 0; i < 10; i++) {
        using next = await hold(server.port);
        assert.equal(await roundTrip(next), "hello");
      }
      await server.log.waitForCount("new client connected...", 12);
    }
    await settles(async () => assert.equal(await active(server), 0));
  },
  isFork,
);

for (const model of models().filter((model) => model !== "spawn")) {
  test(`who speaks (${model}): code that lies from its start about who it is has nobody signalled`, async () => {
    await using other = await bystander();
    await using directory = temporaryDirectory();
    const handler = `${directory.path}/liar.mjs`;
    Deno.writeTextFileSync(
      handler,
      `const { setInt32 } = DataView.prototype;
       DataView.prototype.setInt32 = function (at, value, little) {
         const isPid = value === Deno.pid || at === 44;
         setInt32.call(this, at, isPid ? ${other.pid} : value, little);
       };
       export default ({ readable, writable }) => readable.pipeTo(writable);`,
    );
    await using server = await startServer({
      model,
      args: ["--handler", handler, ...notRewound(model), ...AT_ONCE],
    });
    using conn = await connect(server.port);
    await server.log.waitFor(
      /new client connected|unexpected report|^Ignored a report|refused/,
    );
    await server.stop();
    assert.ok(isAlive(other.pid));
    assert.ok(conn);
  });
}
