import assert from "node:assert/strict";
import { LogReader } from "../helpers/log_reader.ts";
import { descendants } from "../helpers/processes.ts";
import {
  randomBytes,
  temporaryDirectory,
  test,
  within,
} from "../helpers/testing.ts";

/** Where `deno task compile` put the two executables; tests of them are skipped without it. */
const folder = Deno.env.get("MPSERV_TEST_BIN");
const ignore = folder === undefined;
if (ignore) {
  const line =
    "SKIPPED: compiled executables: MPSERV_TEST_BIN does not say where they are\n";
  await Deno.stderr.write(new TextEncoder().encode(line));
}

/** A server that is an executable, ended by its pid. */
async function serve(args: string[], env: Record<string, string> = {}) {
  const process = new Deno.Command(`${folder}/mpserv`, {
    args: ["serve", "0", "--log-format", "json", ...args],
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = new LogReader(process.stderr);
  const { address, model } = await log.waitFor(/^listening on /);
  const port = String(address).split(":").at(-1)!;
  return {
    pid: process.pid,
    log,
    port,
    model,
    async [Symbol.asyncDispose]() {
      process.kill("SIGTERM");
      const { code } = await within("the server's end", process.status);
      await log.ended;
      assert.equal(code, 0);
    },
  };
}

async function client(args: string[], input: Uint8Array<ArrayBuffer>) {
  const process = new Deno.Command(`${folder}/mpclient`, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  const written = writer.write(input).then(() => writer.close());
  const { code, stdout, stderr } = await process.output();
  await written;
  return { code, stdout, stderr: new TextDecoder().decode(stderr) };
}

for (const model of ["spawn", "fork", "pool"]) {
  test(
    `compiled (${model}): the executables talk to each other, byte by byte`,
    async () => {
      await using server = await serve(["--model", model]);
      assert.equal(server.model, model);
      const bytes = randomBytes(3_000_000);
      const raw = await client(["--raw", "127.0.0.1", server.port], bytes);
      assert.deepEqual([raw.code, raw.stderr], [0, ""]);
      assert.deepEqual(raw.stdout, bytes);
      const text = await client(
        ["127.0.0.1", server.port],
        new TextEncoder().encode("hello\nq\nnot sent\n"),
      );
      assert.deepEqual([text.code, text.stderr], [0, ""]);
      assert.equal(
        new TextDecoder().decode(text.stdout),
        "Message from server: hello\n",
      );
    },
    { ignore },
  );

  test(
    `compiled (${model}): every process of a server is the executable itself`,
    async () => {
      await using server = await serve(["--model", model]);
      const conn = await Deno.connect({
        hostname: "127.0.0.1",
        port: Number(server.port),
      });
      await conn.write(new Uint8Array([1]));
      await conn.read(new Uint8Array(1));
      const executables = descendants(server.pid).flatMap(({ pid }) => {
        try {
          return [Deno.readLinkSync(`/proc/${pid}/exe`)];
        } catch {
          return []; // it has ended since: a zygote tries once whether it can fork
        }
      });
      conn.close();
      assert.ok(executables.length > 0);
      assert.deepEqual(
        new Set(executables),
        new Set([Deno.realPathSync(`${folder}/mpserv`)]),
      );
    },
    { ignore },
  );
}

test(
  "compiled: --version says so, and wrong usage is exit code 2",
  async () => {
    const run = (args: string[]) =>
      new Deno.Command(`${folder}/mpserv`, { args }).output();
    const version = await run(["--version"]);
    assert.match(
      new TextDecoder().decode(version.stdout),
      /^mpserv \d+\.\d+\.\d+ .*compiled\)\n$/,
    );
    assert.equal((await run(["serve", "abc"])).code, 2);
  },
  { ignore },
);

test(
  "compiled: a server that is to export metrics says that it cannot, and serves",
  async () => {
    await using server = await serve([], { OTEL_DENO: "true" });
    assert.equal(server.log.where(/^Cannot export metrics/).length, 1);
    const { code } = await client(
      ["--raw", "127.0.0.1", server.port],
      randomBytes(10),
    );
    assert.equal(code, 0);
  },
  { ignore },
);

test(
  "compiled: an error of ours says where: the function, the file and the line of the sources",
  async () => {
    // Nobody but a process of ours starts one in this role, and none without a channel.
    const { code, stderr } = await new Deno.Command(`${folder}/mpserv`, {
      args: ["@child", "99"],
      env: { NO_COLOR: "1" },
    }).output();
    assert.notEqual(code, 0);
    const text = new TextDecoder().decode(stderr);
    const [, name, file, line] =
      /^ +at (\w+) \(file:.*\/(src\/.*\.ts):(\d+):\d+\)$/m.exec(text) ?? [];
    assert.deepEqual([name, file], ["check", "src/posix/errno.ts"]);
    const source = new URL(`../../${file}`, import.meta.url);
    const lines = Deno.readTextFileSync(source).split("\n");
    assert.match(lines[Number(line) - 1]!, /throw new PosixError/);
  },
  { ignore },
);

test(
  "compiled: nothing is left in the temporary directory, from which a later start would run code",
  async () => {
    await using directory = temporaryDirectory();
    const { path } = directory;
    const env = { TMPDIR: path, XDG_RUNTIME_DIR: path };
    for (const name of ["mpserv", "mpclient"]) {
      for (let start = 0; start < 2; start++) {
        const program = `${folder}/${name}`;
        const args = ["--version"];
        await new Deno.Command(program, { args, env }).output();
      }
    }
    for (const model of ["spawn", "fork", "pool"]) {
      await using server = await serve(["--model", model], env);
      await client(["127.0.0.1", server.port], new Uint8Array([10]));
    }
    const left = [...Deno.readDirSync(path)].filter(({ isFile }) => isFile);
    assert.deepEqual(left, []);
  },
  { ignore },
);

test(
  "executable: the page and the sources that it leads to are in it",
  async () => {
    await using server = await serve(["--model", "spawn"]);
    const process = new Deno.Command(`${folder}/mpserv`, {
      args: ["page", server.port],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = process.stdout.getReader();
    const { value } = await within("the page's address", reader.read());
    const url = new TextDecoder().decode(value).trim();
    const get = async (path: string) => await (await fetch(url + path)).text();
    assert.match(await get(""), /<title>mpserv<\/title>[^]*class World/);
    assert.match(await get("source/src/server/acceptor.ts"), /class Acceptor/);
    process.kill("SIGTERM");
    await reader.cancel();
    const { code } = await within("the page's end", process.status);
    assert.equal(code, 0);
  },
  { ignore },
);
