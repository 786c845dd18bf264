/**
 * Runs the examples of the first pages: start, talk, and watch both.
 *
 * @module
 */
import assert from "node:assert/strict";
import { commandEnvironment, commandLine } from "../helpers/command.ts";
import { descendants, killNow } from "../helpers/processes.ts";
import { startServer } from "../helpers/server.ts";
import { temporaryDirectory, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { blocks, commandsOf, optionsOf, shell } from "./shown.ts";

/** A command of the tasks, by the Deno that runs the tests and not by one that npx brings. */
const byThisDeno = (command: string) =>
  command.replace("npx -y deno@2.9.6", `'${Deno.execPath()}'`);

export async function starts(
  [serve = "", tests = ""]: string[],
): Promise<void> {
  const started = new Deno.Command("sh", {
    args: ["-c", `exec ${byThisDeno(serve)} 0`], // a free port in the place of 9190
    stdin: "null",
    stderr: "piped",
    env: { ...commandEnvironment(), NO_COLOR: "1" },
  }).spawn();
  const log = new TextDecoderStream();
  const copied = started.stderr.pipeTo(log.writable);
  let said = "", isAsked = false;
  for await (const text of log.readable) {
    said += text;
    const [, pid] = /model=.* pid=(\d+)\s/.exec(said) ?? [];
    if (pid !== undefined && !isAsked) {
      Deno.kill(Number(pid), "SIGTERM"); // what Ctrl-C does, too
      isAsked = true; // once: it ends at the second, and may have ended by then
    }
    if (said.includes("server ended")) break;
  }
  await copied.catch(() => {});
  assert.equal((await started.status).code, 0);
  assert.match(said, /listening on 127\.0\.0\.1:\d+/);
  const ci = await Deno.readTextFile(new URL("../../.ci/run", import.meta.url));
  assert.ok(ci.includes(` ${tests}\n`), `${tests} is run by .ci/run`);
}

export async function talks([command = ""]: string[]): Promise<void> {
  await using server = await startServer();
  const { stdout } = await shell(
    "sh",
    `printf 'hello\\nq\\n' | ${byThisDeno(command)} 127.0.0.1 ${server.port}`,
  );
  assert.match(stdout, /^Message from server: hello\n/);
}

export async function stands([command = ""]: string[]): Promise<void> {
  await using directory = temporaryDirectory();
  const clone = `${directory.path}/a clone`;
  Deno.symlinkSync(new URL("../../", import.meta.url), clone);
  const alias = byThisDeno(command);
  const lines = ["shopt -s expand_aliases", `cd '${clone}'`, alias, "cd /"];
  const { stdout } = await new Deno.Command("bash", {
    args: ["-c", [...lines, "mpserv --version"].join("\n")],
    stdin: "null",
  }).output();
  assert.match(new TextDecoder().decode(stdout), /^mpserv \d/);
}

/** Runs what looks at a server and its client while the client is connected. */
export async function watches(commands: string[]): Promise<void> {
  if (missing("README.md", "ps", "ss")) return;
  await using server = await startServer({ model: "fork" });
  await using client = await talking(server.port);
  const { pid } = await server.log.waitFor(/^new client connected/);
  for (const command of commands) {
    const here = command.replaceAll("9190", `${server.port}`);
    const shown = command.startsWith("ps")
      ? [
        `\\b${pid} .* mpserv:conn`,
        "mpserv:zygote",
        `${client.pid} .* mpclient$`,
        "mpclient:write",
      ]
      : [
        `"mpserv:conn",pid=${pid},`,
        `"mpclient:write",.*"mpclient",pid=${client.pid},`,
      ];
    await until(`${here} shows ${shown}`, async () => { // a process has its name before its socket
      const { stdout } = await shell("sh", here);
      return shown.every((line) => new RegExp(line, "m").test(stdout));
    });
  }
}

export async function halfCloses(
  [serve = "", client = ""]: string[],
): Promise<void> {
  if (missing("README.md", "ss")) return;
  assert.equal(client, "mpserv client 127.0.0.1 9191");
  const look = blocks.flatMap(commandsOf).find((command) =>
    command.startsWith("ss -tnp '( sport = :9191")
  )!;
  await using server = await startServer({
    model: "fork",
    args: optionsOf(serve).map((word) => word.replace("sleep 9", "sleep 99")),
  });
  await using talk = await talking(server.port);
  await talk.write("hello\nq\n");
  await until("one end waits for the other", async () => {
    const { stdout } = await shell(
      "sh",
      look.replaceAll("9191", `${server.port}`),
    );
    return /^FIN-WAIT-2 .*"mpclient",pid=/m.test(stdout) &&
      /^CLOSE-WAIT .*"sh"/m.test(stdout);
  });
  const sleeping = () =>
    descendants(server.pid).filter(({ comm }) => comm === "sleep");
  await until("the program sleeps", () => sleeping().length > 0);
  for (const { pid } of sleeping()) killNow(pid);
  assert.equal(
    await talk.rest(),
    "Message from server: hello\nMessage from server: done\n",
  );
}

/** A client that is typed to. */
async function talking(port: number) {
  const [program, ...args] = commandLine(["client", "127.0.0.1", `${port}`]);
  const process = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await until(
    "the client writes",
    () =>
      descendants(process.pid).some(({ comm }) => comm === "mpclient:write"),
  );
  return {
    pid: process.pid,
    write: (text: string) => writer.write(new TextEncoder().encode(text)),
    rest: () => new Response(process.stdout).text(),
    async [Symbol.asyncDispose]() {
      await writer.close().catch(() => {});
      if (!process.stdout.locked) await process.stdout.cancel();
      await process.status;
    },
  };
}
