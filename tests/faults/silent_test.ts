/** Processes that never report: what they were handed goes to others. */
import assert from "node:assert/strict";
import { isAlive, killNow } from "../helpers/processes.ts";
import { type Model, models, startServer } from "../helpers/server.ts";
import { compileLibrary, overwrite } from "../helpers/shared_library.ts";
import { temporaryDirectory, test, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { connect, hold, roundTrip } from "../helpers/wire_client.ts";

/** No more processes than needed: each that is stopped costs five seconds. */
const FEW: Readonly<Record<string, string[]>> = {
  fork: ["--zygotes", "1"],
  pool: ["--workers", "2"],
};

for (const model of models()) {
  test(`silent (${model}): connections that were handed to stopped processes are served by others`, async () => {
    await using server = await startServer({
      model,
      crew: "usual",
      args: FEW[model] ?? [],
    });
    (await hold(server.port)).close();
    const stopped = await server.waiting();
    for (const pid of stopped) Deno.kill(pid, "SIGSTOP");
    const holds = [hold(server.port), hold(server.port)];
    // The zygote of a pool has nothing to do while its workers are there, and may be stopped.
    const zygotes = model === "pool"
      ? server.children().filter(({ comm }) => comm === "mpserv:zygote")
      : [];
    for (const { pid } of zygotes) Deno.kill(pid, "SIGCONT");
    for (const conn of await Promise.all(holds)) {
      assert.equal(await roundTrip(conn), "hello");
      conn.close();
    }
    await server.log.waitFor(
      /^Killed (process \d+: it reported nothing|zygote \d+: it did not fork) for 5 s/,
    );
    assert.equal(server.log.where("client refused").length, 0);
  });
}

/** How children hang that are forked from now on: not, for good, or as long as this stays so. */
const HANGS = { never: "0", forever: "1", meanwhile: "2" } as const;

/** A server whose forked children can be made to hang before they say a word. */
async function hanging(model: Model, args: readonly string[]) {
  await using made = new AsyncDisposableStack();
  const { path } = made.use(temporaryDirectory());
  const flag = `${path}/flag`;
  const hang = (how: keyof typeof HANGS) =>
    overwrite(flag, new TextEncoder().encode(`${HANGS[how]}0`));
  hang("never");
  const library = await compileLibrary("hang_after_fork.c", {
    test: import.meta.url,
    directory: path,
    macros: { FLAG: flag },
  });
  const handler = `${path}/handler.mjs`;
  Deno.writeTextFileSync(
    handler,
    `export const library = Deno.dlopen(${JSON.stringify(library)}, {});
     export default ({ readable, writable }) => readable.pipeTo(writable);`,
  );
  const server = made.use(
    await startServer({
      crew: "usual",
      model,
      args: [
        ...[...args, "--handler", handler],
        ...["--grant", `ffi,read=${path},write=${path}`],
      ],
    }),
  );
  const all = made.move();
  return {
    server,
    hang,
    oneHangs: () =>
      until("a child hangs", () => Deno.readTextFileSync(flag).endsWith("1")),
    zygotes: () =>
      server.children().filter(({ comm, parent }) =>
        comm === "mpserv:zygote" && parent === server.pid
      ).map(({ pid }) => pid),
    born: () =>
      server.children().filter(({ comm }) => comm === "mpserv:conn")
        .map(({ pid }) => pid),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

const CANNOT_HANG = { ignore: missing("children that hang", "gcc") };

for (const model of models().filter((model) => model !== "spawn")) {
  test(
    `silent (${model}): a forked child that hangs before it says a word is ended, its zygote is not, and another serves`,
    async () => {
      await using made = await hanging(model, FEW[model]!);
      const { server, hang, oneHangs, zygotes, born } = made;
      using held = await hold(server.port);
      const workers = model === "pool" ? 2 : 1;
      await until("all are there", () => born().length === workers);
      const serving = await server.processOf(held);
      const before = zygotes();
      const haveOneHang = async () => {
        hang("forever");
        for (const pid of born()) if (pid !== serving) killNow(pid);
        const conn = await connect(server.port);
        await oneHangs();
        return conn;
      };
      const conn = await haveOneHang();
      const answer = roundTrip(conn);
      hang("never");
      assert.equal(await answer, "hello");
      assert.equal(await roundTrip(held), "hello");
      await server.log.waitFor(
        /^Killed process \d+: it reported nothing for 5 s/,
      );
      assert.deepEqual(zygotes(), before);
      assert.equal(server.log.where("client refused").length, 0);
      conn.close();
      using _last = await haveOneHang(); // and the server ends all the same
    },
    CANNOT_HANG,
  );
}

for (const model of models().filter((model) => model !== "spawn")) {
  test(
    `silent (${model}): what a forked child hangs with goes to another, also when somebody ends its zygote`,
    async () => {
      await using made = await hanging(model, FEW[model]!);
      const { server, hang, oneHangs, zygotes, born } = made;
      using held = await hold(server.port);
      const workers = model === "pool" ? 2 : 1;
      await until("all are there", () => born().length === workers);
      const serving = await server.processOf(held);
      hang("forever");
      for (const pid of born()) if (pid !== serving) killNow(pid);
      using conn = await connect(server.port);
      await oneHangs();
      const [zygote] = zygotes();
      const hung = server.children().filter(({ pid, parent, state }) =>
        parent === zygote && pid !== serving && state !== "Z"
      );
      assert.ok(hung.length > 0);
      hang("never");
      killNow(zygote!);
      await server.log.waitFor(`Zygote ${zygote} ended`);
      assert.equal(await roundTrip(conn), "hello");
      assert.equal(await roundTrip(held), "hello");
      assert.equal(server.log.where("client refused").length, 0);
      await until(
        "it is gone",
        () => hung.every(({ pid }) => !isAlive(pid)),
      );
    },
    CANNOT_HANG,
  );
}

test(
  "silent (pool): a worker that is ready when its zygote has gone is reaped at its end",
  async () => {
    await using made = await hanging("pool", ["--workers", "1"]);
    const { server, hang, oneHangs, zygotes, born } = made;
    await until("its worker is there", () => born().length === 1);
    hang("meanwhile");
    killNow(born()[0]!);
    await oneHangs();
    const [zygote] = zygotes();
    const worker = server.children().find(({ parent, state }) =>
      parent === zygote && state !== "Z"
    )!;
    killNow(zygote!);
    await server.log.waitFor(`Zygote ${zygote} ended`);
    hang("never");
    using conn = await hold(server.port);
    assert.equal(await server.processOf(conn), worker.pid);
    killNow(worker.pid);
    const { signal } = await server.log.waitFor(
      `removed proc id: ${worker.pid}`,
    );
    assert.equal(signal, "SIGKILL");
    using next = await hold(server.port);
    assert.equal(await roundTrip(next), "hello");
  },
  CANNOT_HANG,
);
