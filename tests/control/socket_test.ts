import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { exists, temporaryDirectory, test, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { hold } from "../helpers/wire_client.ts";
import { controlled, controlPath, json } from "./helpers.ts";
import type { Status } from "../../src/control/protocol.ts";

const MODEL = "spawn"; // the control socket knows nothing of models

function modeOf(path: string): string {
  return (Deno.lstatSync(path).mode! & 0o777).toString(8);
}

test("control socket: is its user's alone, and is removed at the end", async () => {
  await using directory = temporaryDirectory();
  const env = { XDG_RUNTIME_DIR: directory.path };
  await using server = await startServer({ model: MODEL, env });
  const path = `${directory.path}/mpserv/${server.port}.sock`;
  await controlled(path);
  assert.equal(modeOf(path), "600");
  assert.equal(modeOf(`${directory.path}/mpserv`), "700");
  await server.stop();
  assert.deepEqual([...Deno.readDirSync(`${directory.path}/mpserv`)], []);
});

test("control socket: --control PATH is where it is, --control none is nowhere", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/own.sock`;
  await using one = await startServer({
    model: MODEL,
    args: ["--control", path],
  });
  assert.equal(modeOf(path), "600", "it is there before the first client");
  const { pid } = await json<Status>(["status", path]);
  assert.equal(pid, one.pid);
  assert.equal(exists(controlPath(one)), false);
  await using two = await startServer({
    model: MODEL,
    args: ["--control", "none"],
  });
  (await hold(two.port)).close();
  await two.log.waitFor("client disconnected...");
  assert.equal(exists(controlPath(two)), false);
});

test("control socket: a dead server's is replaced, a live one's and any other file is refused", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/own.sock`;
  const args = ["--control", path];
  {
    await using dead = await startServer({ model: MODEL, args });
    await dead.stop("SIGKILL");
  }
  assert.ok(exists(path));
  await using live = await startServer({ model: MODEL, args });
  const refused = await runCommand(["serve", "0", ...args]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^error: .*own\.sock.*EADDRINUSE[^\n]+\n$/);
  assert.equal((await json<Status>(["status", path])).pid, live.pid);
  const precious = `${directory.path}/precious`;
  Deno.writeTextFileSync(precious, "precious");
  const other = await runCommand(["serve", "0", "--control", precious]);
  assert.equal(other.code, 1);
  assert.match(other.stderr, /^error: .*the file is not a socket/);
  assert.equal(Deno.readTextFileSync(precious), "precious");
});

test("control socket: at the default place a live one is left alone, and the server serves without", async () => {
  await using one = await startServer({ model: MODEL });
  const path = await controlled(controlPath(one));
  await using two = await startServer({
    model: MODEL,
    port: String(one.port),
    args: ["--host", "127.0.0.2"],
  });
  const { level, message } = await two.log.waitFor(/^no control socket/);
  assert.equal(level, "WARN");
  assert.match(message, /EADDRINUSE/);
  (await hold(two.port, "127.0.0.2")).close();
  assert.equal((await json<Status>(["status", path])).pid, one.pid);
});

for (
  const [what, plant] of [
    ["others can write to", (path: string) => {
      Deno.mkdirSync(path);
      Deno.chmodSync(path, 0o777);
    }],
    ["is a link to elsewhere", (path: string) => {
      Deno.mkdirSync(`${path}-elsewhere`, { mode: 0o700 });
      Deno.symlinkSync(`${path}-elsewhere`, path);
    }],
  ] as const
) {
  test(`control socket: a directory that ${what} is not used`, async () => {
    await using directory = temporaryDirectory();
    const planted = `${directory.path}/mpserv`;
    plant(planted);
    const env = { XDG_RUNTIME_DIR: directory.path, TMPDIR: directory.path };
    await using server = await startServer({ model: MODEL, env });
    const uid = Deno.uid();
    const name = `mpserv-${uid}/${server.port}.sock`;
    await controlled(`${directory.path}/${name}`);
    assert.deepEqual([...Deno.readDirSync(planted)], []);
    const { code } = await runCommand(["status", String(server.port)], { env });
    assert.equal(code, 0, "who asks finds the place, too");
  });
}

test("control socket: another user is hung up on", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/own.sock`;
  await using _server = await startServer({
    model: MODEL,
    args: ["--control", path],
  });
  Deno.chmodSync(path, 0o666);
  Deno.chmodSync(directory.path, 0o755);
  const ask = ["socat", "-t", "60", "-", `UNIX-CONNECT:${path}`];
  const request = '{"command":"status"}\n';
  assert.match(await through(ask, request), /^\{"ok":true/);
  const stranger = ["setpriv", "--reuid", "65534", "--clear-groups", ...ask];
  for (const asked of [request, '{"command":"events"}\n']) {
    assert.equal(await through(stranger, asked), "");
  }
}, {
  ignore: Deno.uid() !== 0 || missing("another user", "socat", "setpriv"),
});

/** The output of a program for an input. */
async function through(
  [program, ...args]: readonly string[],
  input: string,
): Promise<string> {
  const child = new Deno.Command(program!, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // It was hung up on before it had read all.
  }
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout);
}

test("control socket: a client that asks nothing, in pieces, or too much harms nobody", async () => {
  await using server = await startServer({ model: MODEL });
  const path = await controlled(controlPath(server));
  const connect = () => Deno.connect({ transport: "unix", path });
  const write = (conn: Deno.Conn, text: string) =>
    conn.write(new TextEncoder().encode(text));
  const answer = async (conn: Deno.Conn) => {
    const bytes = new Uint8Array(65536);
    const count = await conn.read(bytes);
    return count === null
      ? null
      : new TextDecoder().decode(bytes.subarray(0, count));
  };
  using garbage = await connect();
  for (
    const line of ["}{", "null", "[]", '{"command":"rm"}', '{"command":7}']
  ) {
    await write(garbage, line + "\n");
    assert.match(
      (await answer(garbage))!,
      /^\{"ok":false,"error":"Cannot [^\n]+\}\n$/,
    );
  }
  await write(garbage, '{"command":"drop","id":"1"}\n');
  assert.match(
    (await answer(garbage))!,
    /expected a whole number above 0 as .*id/,
  );
  using pieces = await connect();
  for (const piece of ['{"comm', 'and":"st', 'atus"}', "\n"]) {
    await write(pieces, piece);
  }
  assert.match((await answer(pieces))!, /^\{"ok":true,"pid":/);
  using flood = await connect();
  await write(flood, "x".repeat(4096)).catch(() => {});
  assert.equal(await answer(flood).catch(() => null), null);
  // Nobody else waits for those who say nothing.
  const silent = await Promise.all(Array.from({ length: 14 }, connect));
  assert.equal((await json<Status>(["status", path])).pid, server.pid);
  // More than are heard at a time wait until those before them have had their time.
  const more = await Promise.all(Array.from({ length: 10 }, connect));
  assert.equal((await json<Status>(["status", path])).pid, server.pid);
  (await hold(server.port)).close();
  for (const conn of [...silent, ...more]) conn.close();
});

test("control socket: an answer that nobody reads costs that client its connection alone", async () => {
  await using server = await startServer({ model: MODEL });
  const path = await controlled(controlPath(server));
  const deaf = await Deno.connect({ transport: "unix", path });
  const request = new TextEncoder().encode(
    '{"command":"status"}\n'.repeat(4096),
  );
  let sent = 0;
  const writing = (async () => {
    for (; sent < 1e9;) sent += await deaf.write(request);
  })();
  await assert.rejects(writing, "it is hung up on");
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were taken`);
  deaf.close();
  await until(
    "others are heard",
    async () => (await json<Status>(["status", path])).pid === server.pid,
  );
});
