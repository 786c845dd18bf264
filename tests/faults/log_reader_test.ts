/** Whoever reads the log may stop: lines are lost then, and are counted; the service is not. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Fd } from "../../src/posix/fd.ts";
import { cLibrary } from "../../src/posix/libc.ts";
import { commandEnvironment, commandLine } from "../helpers/command.ts";
import { killNow } from "../helpers/processes.ts";
import { MODELS } from "../helpers/models.ts";
import { anyModel } from "../helpers/server.ts";
import { test, within } from "../helpers/testing.ts";
import { connect, exchange, hold, roundTrip } from "../helpers/wire_client.ts";

const libc = cLibrary("fcntl", "open");

const F_SETPIPE_SZ = 1031; // linux/fcntl.h
/** Lines of so many connections fit neither into the pipe nor into what its reader took ahead. */
const CONNECTIONS = 25;

/** Lets a pipe hold no more than a page, fcntl(2). */
function makeSmall(path: string): void {
  const pipe = new Fd(libc.open(new TextEncoder().encode(path + "\0"), 0));
  assert.ok(libc.fcntl(pipe.number, F_SETPIPE_SZ, 4096) > 0);
  pipe.close();
}

// What a stuck reader stalls, or not, is the parent: it alone writes the log.
for (const model of anyModel("fork")) {
  test(`log (${model}): a reader that is stuck stalls nobody, and the server ends when it is told`, async () => {
    const [program, ...args] = commandLine([
      "serve",
      "0",
      ...MODELS[model]!.few.args,
      "--log-level",
      "debug",
    ]);
    const server = new Deno.Command(program, {
      args,
      env: commandEnvironment(),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    await using _ended = {
      async [Symbol.asyncDispose]() {
        killNow(server.pid);
        await server.status;
      },
    };
    const reader = server.stderr.getReader();
    let said = "", port: string | undefined;
    while (!(port = /listening on \S+:(\d+)\b.*\n/.exec(said)?.[1])) {
      const { value, done } = await within("the log", reader.read());
      assert.ok(!done, said);
      said += new TextDecoder().decode(value);
    }
    using held = await hold(Number(port));
    makeSmall(`/proc/${server.pid}/fd/2`);
    const word = new TextEncoder().encode("four lines of the log for each");
    for (let i = 0; i < CONNECTIONS; i++) {
      using conn = await connect(Number(port));
      assert.deepEqual(await exchange(conn, word), word);
    }
    assert.equal(await roundTrip(held), "hello");
    held.close();
    server.kill("SIGTERM");
    const { code } = await within("the end of the server", server.status);
    assert.equal(code, 0);
    await reader.cancel();
  });
}

test("log: of lines that nobody reads a megabyte is kept, and the others are counted", async () => {
  const COUNT = 20_000, KEPT = 1 << 20;
  const script = fileURLToPath(new URL("many_lines.ts", import.meta.url));
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", script, String(COUNT)],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const said = process.stdout.getReader();
  await within("all lines", said.read());
  let text = "";
  const reading = async () => {
    for await (
      const part of process.stderr.pipeThrough(new TextDecoderStream())
    ) {
      const isHalf = text.length < KEPT / 2 &&
        text.length + part.length >= KEPT / 2;
      text += part;
      if (isHalf) await process.stdin.close(); // for the last line there is room now
    }
  };
  await within("the last line", reading());
  assert.ok(text.length > KEPT && text.length < 1.2 * KEPT, `${text.length}`);
  const dropped = [...text.matchAll(/^\.\.\. (\d+) log lines dropped/gm)]
    .reduce((sum, [, count]) => sum + Number(count), 0);
  assert.equal(text.match(/ one line of many/g)!.length + dropped, COUNT);
  assert.match(text, / the last line\n/);
  await said.cancel();
  assert.equal((await process.status).code, 0);
});
