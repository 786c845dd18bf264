/** Processes and memory run out, and come back. */
import assert from "node:assert/strict";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import { isAlive, killNow } from "../helpers/processes.ts";
import { test, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { connect, hold, roundTrip } from "../helpers/wire_client.ts";

/** A user without processes, who may read what the test's own user may: limits count by user. */
const USER = 54_321;
const CAPABILITIES = "+dac_override,+dac_read_search";
const AS_USER = [
  "setpriv",
  `--reuid=${USER}`,
  "--clear-groups",
  "--securebits=+no_setuid_fixup", // or access(2) would not know of the capabilities
  `--inh-caps=${CAPABILITIES}`,
  `--ambient-caps=${CAPABILITIES}`,
];
const CANNOT = Deno.uid() !== 0 ||
  missing("limits of another user", "setpriv", "prlimit");

/** Changes a soft limit of the parent and its zygotes, which start all others. */
async function limit(server: TestServer, what: string): Promise<void> {
  const zygotes = server.children().filter(({ comm }) =>
    comm === "mpserv:zygote"
  );
  for (const { pid } of [server, ...zygotes]) {
    const { success } = await new Deno.Command(AS_USER[0]!, {
      args: [...AS_USER.slice(1), "prlimit", "--pid", String(pid), what],
    }).output();
    assert.ok(success || !isAlive(pid), `prlimit ${what}`);
  }
}

/** Ends the processes that wait for connections. */
function killWaiting(server: TestServer): void {
  const serving = server.serving().map(({ pid }) => pid);
  for (const { pid, comm } of server.children()) {
    if (comm !== "mpserv:zygote" && !serving.includes(pid)) killNow(pid);
  }
}

for (const model of models()) {
  test(
    `limits (${model}): when processes run out, who is served goes on, who waits is served later`,
    async () => {
      await using server = await startServer({
        crew: "usual",
        model,
        through: AS_USER,
        args: model === "fork" ? ["--zygotes", "1"] : [], // the limit must find all of them
      });
      using held = await hold(server.port);
      await limit(server, "--nproc=1:");
      killWaiting(server);
      using waiting = await connect(server.port);
      const answer = roundTrip(waiting);
      answer.catch(() => {}); // until it is looked at below
      await server.log.waitFor(/^Cannot (fork|start)/);
      assert.equal(await roundTrip(held), "hello");
      await limit(server, "--nproc=10000:");
      assert.equal(await answer, "hello");
      using next = await hold(server.port);
      assert.equal(await roundTrip(next), "hello");
      assert.deepEqual(server.log.where("Zygote"), [], "none has ended");
    },
    { ignore: CANNOT },
  );
}

const GROUPS = "/sys/fs/cgroup/memory"; // cgroups(7), version 1
const LEAST = 512 * 1024;

test(
  "limits (fork): a zygote that has no memory for children is replaced, and who waits is served",
  async () => {
    // One zygote, and it has served: a second might still be starting, and start over.
    await using server = await startServer({
      crew: "usual",
      model: "fork",
      args: ["--zygotes", "1"],
    });
    using held = await hold(server.port);
    const group = `${GROUPS}/mpserv-test-${server.pid}`;
    Deno.mkdirSync(group);
    try {
      Deno.writeTextFileSync(`${group}/memory.limit_in_bytes`, String(LEAST));
      for (const { pid, comm } of server.children()) {
        if (comm !== "mpserv:zygote") continue;
        Deno.writeTextFileSync(`${group}/cgroup.procs`, String(pid));
      }
      // A child that is ended for its memory once it has taken its client costs that client.
      let count = 0;
      for (let i = 0; i < 20; i++) if (await served(server.port)) count++;
      assert.ok(count >= 10, `${count} of 20 are served`);
      await server.log.waitFor(/^Zygote \d+ ended \(SIGKILL\)/);
      assert.ok(await served(server.port));
      assert.equal(await roundTrip(held), "hello");
    } finally {
      held.close();
      await server.stop();
      await until(
        "the group is empty",
        () => Deno.readTextFileSync(`${group}/cgroup.procs`) === "",
      );
      Deno.removeSync(group);
    }
  },
  { ignore: lacksGroups() },
);

/** Whether a client gets its answer; false when it is cut off. */
async function served(port: number): Promise<boolean> {
  using conn = await connect(port);
  try {
    return await roundTrip(conn) === "hello";
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return false;
    throw error;
  }
}

function lacksGroups(): boolean {
  try {
    Deno.statSync(`${GROUPS}/memory.limit_in_bytes`);
    return Deno.uid() !== 0;
  } catch {
    return missing("memory of a group of processes", "cgroups version 1");
  }
}
