/** A serving process inherits from its server, and the server's parent, only what it needs. */
import assert from "node:assert/strict";
import { serverSockets } from "../helpers/processes.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import { settles, temporaryDirectory, test } from "../helpers/testing.ts";
import { connect, exchange, hold } from "../helpers/wire_client.ts";

/** Starts a command with files open that it does not ask for, as careless programs do. */
const CARELESS = [
  "/bin/sh",
  "-c",
  'exec 7</etc/passwd 8>>/dev/zero "$@"',
  "sh",
];

/** The Unix domain sockets of this machine by type, as links of a descriptor list. */
function unixSockets(): { packets: Set<string>; streams: Set<string> } {
  const found = { packets: new Set<string>(), streams: new Set<string>() };
  for (const line of Deno.readTextFileSync("/proc/net/unix").split("\n")) {
    const [, , , , type, , inode, path] = line.split(/\s+/);
    const SEQPACKET = "0005";
    if (path) continue; // one that has a name is no pair
    found[type === SEQPACKET ? "packets" : "streams"].add(`socket:[${inode}]`);
  }
  return found;
}

/**
 * Sorts out the descriptors of a process that serves: takes away what it must have, and returns the
 * rest. It has its standard streams, and the runtime's copies of them; the connection; what it reports
 * over; and the runtime's event loop: epoll, an eventfd, and one or two socket pairs that bring signals.
 */
function surplus(server: TestServer, pid: number): string[] {
  const links = new Set(server.descriptors(pid));
  const { connected } = serverSockets(server.port);
  const { packets, streams } = unixSockets();
  const take = (from: Set<string>, ...counts: number[]) => {
    const own = [...links].filter((link) => from.has(link));
    assert.ok(counts.includes(own.length), `${own} of ${[...links]}`);
    for (const link of own) links.delete(link);
  };
  take(connected, 1);
  take(packets, 1); // what it reports over
  take(streams, 2, 4);
  const log = server.descriptors().find((link) => link.startsWith("pipe:"));
  assert.ok(log);
  take(new Set([log]), 1); // standard error
  take(new Set(["/dev/null"]), 1); // standard input and output
  take(new Set(["/memfd:mpserv-no-cache (deleted)"]), 0, 1); // in the place of the runtime's caches
  take(new Set(["anon_inode:[eventpoll]", "anon_inode:[eventfd]"]), 2);
  takeOwnMemory(links, pid);
  return [...links];
}

/**
 * Of a process that rewinds: what /proc says of itself, its directory, and the memory that it had at its mark. What its
 * zygote had, others map, too: it cannot be written to.
 */
function takeOwnMemory(links: Set<string>, pid: number): void {
  const own = ["pagemap", "statm", "maps", "stat", "task"].map((name) =>
    `/proc/${pid}/${name}`
  );
  const found = [...links].filter((link) =>
    own.includes(link) || link.startsWith(`/proc/${pid}/fdinfo/`) ||
    /^\/memfd:mpserv-(image|memory) \(deleted\)$/.test(link) ||
    link === Deno.cwd()
  );
  if (!found.includes(own[0]!)) return;
  for (const link of found) links.delete(link);
}

/** The lists of sockets change while they are read: a look at them may miss one. */
async function hasNoSurplus(server: TestServer, pid: number): Promise<void> {
  const looksClean = () =>
    assert.deepEqual(surplus(server, pid), [], `process ${pid}`);
  await settles(looksClean, 5_000);
}

for (const model of models()) {
  test(`hygiene (${model}): a process that serves has open what it needs, and nothing else`, async () => {
    await using server = await startServer({ model, through: CARELESS });
    const conns = [await hold(server.port), await hold(server.port)];
    for (const { pid } of await server.servers(2)) {
      await hasNoSurplus(server, pid);
    }
    for (const conn of conns) conn.close();
  });

  test(`hygiene (${model}): a handler too, and it still imports modules when it is asked to`, async () => {
    await using directory = temporaryDirectory();
    const { path } = directory;
    Deno.writeTextFileSync(
      `${path}/later.ts`,
      "export const word: string = 'imported';",
    );
    // A compiled server takes JavaScript alone.
    Deno.writeTextFileSync(
      `${path}/later.js`,
      "export const word = 'imported';",
    );
    Deno.writeTextFileSync(
      `${path}/handler.js`,
      `export default async (connection) => {
        const name = Deno.build.standalone ? "later.js" : "later.ts";
        const { word } = await import(["file://${path}", name].join("/"));
        await connection.write(new TextEncoder().encode(word));
        await connection.read(new Uint8Array(1));
      };`,
    );
    await using server = await startServer({
      model,
      through: CARELESS,
      args: ["--handler", `${path}/handler.js`, "--grant", "read"],
    });
    using conn = await connect(server.port);
    const bytes = new Uint8Array(8);
    await conn.read(bytes);
    assert.equal(new TextDecoder().decode(bytes), "imported");
    const [child] = await server.servers();
    await hasNoSurplus(server, child!.pid);
  });

  test(`hygiene (${model}): variables of the server reach no process of it, unless they are granted`, async () => {
    if (model === "pool") return; // whose zygote is that of `fork`
    await using directory = temporaryDirectory();
    const handler = `${directory.path}/handler.js`;
    Deno.writeTextFileSync(
      handler,
      `export default async (connection) => {
        const get = (name) => {
          try {
            return Deno.env.get(name) ?? "none";
          } catch (error) {
            return error.name;
          }
        };
        const words = ["SECRET", "GREETING", "APP_ONE"].map(get);
        await connection.write(new TextEncoder().encode(words.join()));
        await connection.read(new Uint8Array(1));
      };`,
    );
    const set = ["SECRET=hidden", "GREETING=hello", "APP_ONE=1"];
    const through = ["/usr/bin/env", ...set];
    const grants = ["--grant", "env=GREETING,env=APP_*"];
    await using server = await startServer({
      model,
      through,
      args: ["--handler", handler, ...isCompiled() ? [] : grants],
    });
    using conn = await connect(server.port);
    const bytes = new Uint8Array(64);
    const count = await conn.read(bytes);
    assert.equal(
      new TextDecoder().decode(bytes.subarray(0, count!)),
      isCompiled() ? "NotCapable,NotCapable,NotCapable" : "NotCapable,hello,1",
    );
    // One that has no name of its own yet still shares its parent's memory (vfork(2)).
    const named = server.children().filter(({ comm }) => /^mpserv:/.test(comm));
    assert.ok(named.length > 0);
    for (const { pid } of named) {
      const environ = await Deno.readTextFile(`/proc/${pid}/environ`)
        .catch(() => ""); // it has ended
      assert.ok(!environ.includes("hidden"), `process ${pid}`);
    }
  });

  test(`hygiene (${model}): a program finds the usual variables, and those that are granted`, async () => {
    if (model === "pool") return; // no programs
    const set = ["SECRET=hidden", "GREETING=hello", "LC_TIME=C", "TERM=dumb"];
    const found = async (grants: string[]) => {
      await using server = await startServer({
        model,
        through: ["/usr/bin/env", ...set],
        args: [...grants, "--", "env"],
      });
      using conn = await connect(server.port);
      const text = await exchange(conn, new Uint8Array(0));
      const lines = new TextDecoder().decode(text).split("\n");
      return set.filter((variable) => lines.includes(variable));
    };
    assert.deepEqual(await found(["--grant", "env=GREETING"]), set.slice(1));
    if (model !== "spawn") return; // what is granted is the parent's to say
    assert.deepEqual(await found([]), ["LC_TIME=C", "TERM=dumb"]);
    assert.deepEqual(await found(["--grant", "env"]), set);
  });
}

function isCompiled(): boolean {
  return Deno.env.get("MPSERV_TEST_COMMAND") !== undefined;
}
