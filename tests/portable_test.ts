/**
 * A server of model `spawn` and the client, by what every system here has: no `/proc`, no other program. What is
 * the same everywhere is tested on each system by these.
 */
import assert from "node:assert/strict";
import { commandEnvironment, commandLine } from "./helpers/command.ts";
import { LogReader } from "./helpers/log_reader.ts";
import { randomBytes, sameBytes, test, within } from "./helpers/testing.ts";
import { temporaryDirectory } from "./helpers/testing.ts";

/** A server that is ended by SIGTERM; then it has lost nothing, and says so by its exit code. */
async function serve(...args: string[]) {
  const log = ["--log-format", "json"];
  const [program, ...words] = commandLine(
    ["serve", "0", "--model", "spawn", "--spares", "1", ...log, ...args],
  );
  const process = new Deno.Command(program, {
    args: words,
    env: commandEnvironment(),
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const reader = new LogReader(process.stderr);
  const { address } = await reader.waitFor(/^listening on /);
  const port = Number(String(address).split(":").at(-1));
  return {
    port,
    log: reader,
    async [Symbol.asyncDispose]() {
      process.kill("SIGTERM");
      const { code } = await within("the server's end", process.status);
      await reader.ended;
      assert.equal(code, 0);
      assert.deepEqual(reader.others, []);
    },
  };
}

/** Sends all, ends that side, and reads to the end. */
async function exchange(port: number, bytes: Uint8Array<ArrayBuffer>) {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const sending = (async () => {
    for (let sent = 0; sent < bytes.length;) {
      sent += await conn.write(bytes.subarray(sent));
    }
    await conn.closeWrite();
  })();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(64 * 1024);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    parts.push(buffer.slice(0, count));
  }
  await sending;
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

test("portable: echo gives back every byte, to several at a time, and ends with its client's half-close", async () => {
  await using server = await serve();
  const sizes = [0, 1, 30, 65_536, 1_000_000];
  await Promise.all(sizes.map(async (size) => {
    const bytes = randomBytes(size);
    const answer = await within("the echo", exchange(server.port, bytes));
    assert.ok(sameBytes(answer, bytes), `${size} bytes`);
  }));
  await server.log.waitForCount("removed proc id", sizes.length);
  const ends = server.log.where("client disconnected...");
  assert.deepEqual(
    ends.map((line) => [line.in, line.reason]).sort(),
    sizes.map((size) => [size, "closed"]).sort(),
  );
});

test("portable: clients that leave at once cost nobody else their connection", async () => {
  await using server = await serve();
  for (let i = 0; i < 10; i++) {
    const conn = await Deno.connect({
      hostname: "127.0.0.1",
      port: server.port,
    });
    conn.close();
  }
  const bytes = randomBytes(1000);
  const answer = await within("the echo", exchange(server.port, bytes));
  assert.ok(sameBytes(answer, bytes));
  await server.log.waitForCount("removed proc id", 11);
  assert.deepEqual(
    server.log.lines.filter(({ level }) => level !== "INFO"),
    [],
  );
});

test("portable: a handler and a program serve", async () => {
  await using directory = temporaryDirectory();
  const handler = `${directory.path}/upper.ts`;
  await Deno.writeTextFile(
    handler,
    `export default async (conn: Deno.Conn) => {
      for await (const part of conn.readable) {
        const text = new TextDecoder().decode(part).toUpperCase();
        await conn.write(new TextEncoder().encode(text));
      }
    };`,
  );
  const text = new TextEncoder().encode("half-close\n");
  {
    await using server = await serve("--handler", handler);
    const answer = await within("it", exchange(server.port, text));
    assert.equal(new TextDecoder().decode(answer), "HALF-CLOSE\n");
  }
  await using server = await serve("--", "sh", "-c", "cat; echo done");
  const answer = await within("it", exchange(server.port, text));
  assert.equal(new TextDecoder().decode(answer), "half-close\ndone\n");
});

test("portable: the client sends its input, prints what comes, and half-closes", async () => {
  await using server = await serve();
  const [program, ...args] = commandLine(
    ["client", "127.0.0.1", String(server.port)],
  );
  const client = new Deno.Command(program, {
    args,
    env: commandEnvironment(),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = client.stdin.getWriter();
  await writer.write(new TextEncoder().encode("hello\nq\n"));
  const output = await within("the client's end", client.output());
  await writer.close().catch(() => {}); // it reads no more behind the q
  const [stdout, stderr] = [output.stdout, output.stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  assert.equal(stdout, "Message from server: hello\n");
  assert.equal(output.code, 0, stderr);
});
