/** What a handler's module keeps open or running: no forked children share it, and nothing crosses. */
import assert from "node:assert/strict";
import { runtimeEnvironment } from "../../src/runtime/roles.ts";
import { runCommand } from "../helpers/command.ts";
import { isCompiled } from "../helpers/handler_file.ts";
import { type Model, models, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

const EXTENSION = isCompiled ? "mjs" : "ts";
const ANSWER = `export default (c) => c.write(new TextEncoder().encode("ok"));`;

const SOCKET_OF_NODE = "a socket of node:net";
const KEPT_BY_AGENT = "what an agent of node:http keeps for the next request";

/** A module's first lines, what it is granted, and what is told of it. PORT is a server's that echoes. */
const KEPT: Readonly<
  Record<string, readonly [text: string, grant: string, told: RegExp]>
> = {
  "a socket": [
    `await Deno.connect({ hostname: "127.0.0.1", port: PORT });`,
    "net",
    /a socket to 127\.0\.0\.1:\d+ open: open it in the handler/,
  ],
  [SOCKET_OF_NODE]: [
    `import net from "node:net";
     await new Promise((resolve) => net.connect(PORT, "127.0.0.1", resolve));`,
    "net",
    /a socket to 127\.0\.0\.1:\d+ open/,
  ],
  "what fetch keeps for the next request": [
    `await (await fetch("http://127.0.0.1:PORT/")).text();`,
    "net",
    /a socket to 127\.0\.0\.1:\d+ open/,
  ],
  "a listener": [
    `Deno.listen({ hostname: "127.0.0.1", port: 0 });`,
    "net",
    /a listening socket on 127\.0\.0\.1:\d+ open/,
  ],
  "a UDP socket": [
    `import { createSocket } from "node:dgram";
     const socket = createSocket("udp4").unref();
     await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));`,
    "net",
    /a socket on 127\.0\.0\.1:\d+ open/,
  ],
  "a file": [
    `Deno.openSync(import.meta.filename);`,
    "read",
    /the file "[^"]+" open/,
  ],
  "a database": [
    `import { DatabaseSync } from "node:sqlite";
     const db = new DatabaseSync("DIR/of-test");
     db.exec("create table t (x)");`,
    "read,write",
    /the file "[^"]+of-test" open/,
  ],
  "a subprocess": [
    `new Deno.Command("/bin/sleep", { args: ["5"], stdout: "null", stderr: "null" }).spawn().unref();`,
    "run",
    /a subprocess open|a pipe open/,
  ],
  "a watcher": [
    `Deno.watchFs("DIR");`,
    "read",
    /a watcher of files open|thread/,
  ],
  "a worker": [
    `new Worker("data:text/javascript,setInterval(() => {}, 1000)", { type: "module" });`,
    "",
    /a thread \("[^"]+"\) running: start it in the handler/,
  ],
  "a timer": [`setInterval(() => {}, 1000);`, "", /a timer running/],
  "a timer that keeps nothing alive": [
    `Deno.unrefTimer(setTimeout(() => {}, 1e6));`,
    "",
    /a timer running/,
  ],
  "a time-out of a signal": [
    `AbortSignal.timeout(1e6);`,
    "",
    /a timer running/,
  ],
  "a listener of signals": [
    `Deno.addSignalListener("SIGUSR1", () => {});`,
    "",
    /a signal listener running/,
  ],
  "a broadcast channel": [
    `new BroadcastChannel("news").onmessage = () => {};`,
    "",
    /a BroadcastChannel running: start it in the handler/,
  ],
  [KEPT_BY_AGENT]: [
    `import http from "node:http";
     const agent = new http.Agent({ keepAlive: true });
     await new Promise((resolve) =>
       http.get("http://127.0.0.1:PORT/", { agent }, (answer) => answer.resume().on("end", resolve)));`,
    "net",
    /a socket to 127\.0\.0\.1:\d+ open/,
  ],
  "a WebSocket": [
    `const web = new WebSocket("ws://127.0.0.1:PORT/");
     await new Promise((resolve) => web.onopen = resolve);`,
    "net",
    /a socket to 127\.0\.0\.1:\d+ open/,
  ],
  "a message port": [
    `new MessageChannel().port1.onmessage = () => {};`,
    "",
    /a message port running/,
  ],
};

/** Modules of which nothing is left that children would share or lack. */
const GONE: Readonly<Record<string, readonly [text: string, grant: string]>> = {
  "a file that was closed": [
    `Deno.readTextFileSync(import.meta.filename); await Deno.readTextFile(import.meta.filename);`,
    "read",
  ],
  "a connection that was closed": [
    `(await Deno.connect({ hostname: "127.0.0.1", port: PORT })).close();`,
    "net",
  ],
  "a timer that has come": [
    `await new Promise((resolve) => setTimeout(resolve, 5)); setTimeout(() => {}, 1);`,
    "",
  ],
  "WebAssembly": [
    `await WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));`,
    "",
  ],
  "cryptography": [
    `await crypto.subtle.digest("SHA-256", new Uint8Array(1e6)); crypto.randomUUID();`,
    "",
  ],
  "shared memory of its own": [`new SharedArrayBuffer(1e6);`, ""],
};

/** A server that answers each request of HTTP, and each other line with that line; it keeps connections open. */
function startPeer(): Disposable & { port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async (conn: Deno.Conn) => {
    const buffer = new Uint8Array(4096);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      const text = new TextDecoder().decode(buffer.subarray(0, count));
      const key = /^sec-websocket-key: (.*)\r$/im.exec(text)?.[1];
      const answer = key !== undefined
        ? await upgrade(key)
        : text.startsWith("GET ")
        ? "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
        : text;
      // Later, so that answers to whoever shares a connection would cross.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await conn.write(new TextEncoder().encode(answer));
    }
    conn.close();
  };
  (async () => {
    for await (const conn of listener) serve(conn).catch(() => {});
  })().catch(() => {});
  const { port } = listener.addr as Deno.NetAddr;
  return { port, [Symbol.dispose]: () => listener.close() };
}

/** Accepts a WebSocket: RFC 6455, 4.2.2. */
async function upgrade(key: string): Promise<string> {
  const text = `${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const bytes = new TextEncoder().encode(text);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", bytes));
  const accept = btoa(String.fromCharCode(...digest));
  return "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n" +
    `connection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`;
}

async function handler(
  text: string,
  port: number,
): Promise<{ file: string } & AsyncDisposable> {
  const directory = temporaryDirectory();
  const file = `${directory.path}/handler.${EXTENSION}`;
  const filled = text.replaceAll("PORT", String(port))
    .replaceAll("DIR", directory.path);
  await Deno.writeTextFile(file, filled);
  await Deno.writeTextFile(`${directory.path}/numbers`, "0123456789:;<=>?@ABC");
  return {
    file,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

function grants(grant: string): string[] {
  return grant === "" ? [] : ["--grant", grant];
}

/** One of each kind that a zygote looks for: a descriptor, a thread, and an operation. */
const REFUSED = ["a socket", "a worker", "a timer"];

for (const what of REFUSED) {
  const [text, grant, told] = KEPT[what]!;
  test(`leftovers: fork refuses a module that keeps ${what}, and says so`, async () => {
    using peer = startPeer();
    await using made = await handler(`${text}\n${ANSWER}`, peer.port);
    const args = ["serve", "0", "--model", "fork", "--handler", made.file];
    const result = await runCommand([...args, ...grants(grant)]);
    assert.match(
      result.stderr,
      /^error: Cannot serve with --model fork: Cannot fork: the module keeps [^\n]+, or use --model spawn\n$/,
    );
    assert.match(result.stderr, told);
    assert.equal(result.code, 1);
  });
}

/** What a process finds that has loaded a module, as a zygote does. */
async function foundIn(file: string): Promise<string> {
  const script = new URL("leftovers.ts", import.meta.url).href;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", script, file],
    env: runtimeEnvironment(), // without it the runtime asks for its newest version
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

for (const [what, [text, , told]] of Object.entries(KEPT)) {
  if (REFUSED.includes(what)) continue;
  test(`leftovers: ${what} is found`, async () => {
    using peer = startPeer();
    await using made = await handler(text, peer.port);
    assert.match(await foundIn(made.file), told);
  });
}

/** All of some modules' first lines in one module, and what they are granted together. */
function together(
  modules: readonly (readonly [text: string, grant: string, ...unknown[]])[],
): { text: string; granted: string[] } {
  const grants = modules.flatMap(([, grant]) => grant.split(","));
  const granted = [...new Set(grants)].filter((grant) => grant !== "");
  const texts = modules.map(([text]) => text);
  return { text: [...texts, ANSWER].join("\n"), granted: grantsOf(granted) };
}

function grantsOf(granted: readonly string[]): string[] {
  return granted.length === 0 ? [] : ["--grant", granted.join()];
}

for (const model of ["spawn", "pool"] as const) {
  test(`leftovers (${model}): whatever a module keeps, its clients are served`, async () => {
    using peer = startPeer();
    // What keeps the event loop busy, and the runtime's own ways to keep something for later.
    const { text, granted } = together(
      model === "spawn"
        ? Object.values(KEPT)
        : [KEPT["a timer"]!, KEPT[SOCKET_OF_NODE]!],
    );
    await using made = await handler(text, peer.port);
    const args = ["--handler", made.file, ...granted];
    await using server = await startServer({ model, args });
    using conn = await connect(server.port);
    const answer = await exchange(conn, new Uint8Array(0));
    assert.equal(new TextDecoder().decode(answer), "ok");
  });
}

test(`leftovers: ${Object.keys(GONE).join(", ")} do not keep a module from being forked`, async () => {
  using peer = startPeer();
  const { text, granted } = together(Object.values(GONE));
  await using made = await handler(text, peer.port);
  const args = ["--handler", made.file, "--zygotes", "1", ...granted];
  await using server = await startServer({ model: "fork", args });
  for (let i = 0; i < 2; i++) {
    using conn = await connect(server.port);
    const answer = await exchange(conn, new Uint8Array(0));
    assert.equal(new TextDecoder().decode(answer), "ok");
  }
});

/** Handlers in which clients' answers would cross if their processes shared what the module opened. */
const ASKING = {
  "a connection": [
    `const db = await Deno.connect({ hostname: "127.0.0.1", port: PORT });
     export default async (c) => {
       const buffer = new Uint8Array(64);
       const asked = buffer.slice(0, await c.read(buffer));
       await db.write(asked);
       const count = await db.read(buffer);
       await c.write(buffer.subarray(0, count));
     };`,
    "net",
  ],
  "the offset of a file": [
    `const file = Deno.openSync("DIR/numbers");
     let next = 0;
     export default async (c) => {
       const buffer = new Uint8Array(64);
       const asked = buffer.slice(0, await c.read(buffer));
       const wanted = next++;
       file.readSync(buffer.subarray(0, 1));
       await c.write(buffer[0] === 48 + wanted ? asked : buffer.subarray(0, 1));
     };`,
    "read",
  ],
} as const;

for (const model of [...models(), "auto"] as Model[]) {
  if (model === "fork") continue; // refuses
  const ways = Object.entries(ASKING); // `auto` becomes `spawn`
  for (const [what, [text, grant]] of model === "auto" ? ways.slice(1) : ways) {
    test(`leftovers (${model}): each client gets its own answer where a module opens ${what}`, async () => {
      using peer = startPeer();
      await using made = await handler(text, peer.port);
      const args = ["--handler", made.file, ...grants(grant)];
      await using server = await startServer({ model, args });
      const [line] = server.log.where(/^listening on /);
      assert.equal(line!.model, model === "auto" ? "spawn" : model);
      if (model !== "spawn") {
        assert.match(String(line!.why), /^Cannot fork: the module keeps /);
      }
      const asked = Array.from(
        { length: model === "pool" ? 12 : 2 }, // or each costs a runtime
        (_, i) => `client ${i}`,
      );
      const answers = await Promise.all(asked.map(async (text) => {
        using conn = await connect(server.port);
        const bytes = await exchange(conn, new TextEncoder().encode(text));
        return new TextDecoder().decode(bytes);
      }));
      assert.deepEqual(answers, asked);
    });
  }
}
