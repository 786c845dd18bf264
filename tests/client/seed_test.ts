import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { compileSeed } from "../helpers/seed.ts";
import { startServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { freePort } from "../helpers/wire_client.ts";

async function withSeed(
  name: string,
  use: (program: string) => Promise<void>,
): Promise<void> {
  const into = await Deno.makeTempDir({ prefix: "mpserv-seed-" });
  try {
    const program = await compileSeed(name, into);
    if (program) return await use(program);
    const line = `SKIPPED: ${name}: no source or no C compiler here\n`;
    await Deno.stderr.write(new TextEncoder().encode(line));
  } finally {
    await Deno.remove(into, { recursive: true });
  }
}

test("seed: its C client talks to our server, and ends with q", async () => {
  await withSeed("echo_mpclient", async (program) => {
    await using server = await startServer();
    const client = new Deno.Command(program, {
      args: ["127.0.0.1", String(server.port)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = client.stdin.getWriter();
    await writer.write(new TextEncoder().encode("hello\nq\n"));
    await writer.close();
    const { code, stdout } = await client.output();
    assert.equal(code, 0);
    assert.equal(
      new TextDecoder().decode(stdout),
      "Message from server: hello\n",
    );
  });
});

test("seed: our client talks to its C server, and ends with q", async () => {
  await withSeed("echo_mpserv", async (program) => {
    const port = String(freePort());
    const server = new Deno.Command(program, { args: [port], stdout: "null" })
      .spawn();
    try {
      await until("the seed's server listens", () => isListening(Number(port)));
      const through = [
        "/bin/sh",
        "-c",
        'printf "one\\ntwo\\nq\\nnot sent\\n" | "$@"',
        "sh",
      ];
      const { code, stdout } = await runCommand(["client", "127.0.0.1", port], {
        through,
      });
      assert.equal(code, 0);
      assert.equal(
        stdout,
        "Message from server: one\nMessage from server: two\n",
      );
    } finally {
      server.kill("SIGKILL");
      await server.status;
    }
  });
});

async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
