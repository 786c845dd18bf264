import assert from "node:assert/strict";
import { commandLine, runCommand } from "../helpers/command.ts";
import { EmulatedTerminal } from "../helpers/emulated_terminal.ts";
import { startServer, type TestServer } from "../helpers/server.ts";
import { descendants } from "../helpers/processes.ts";
import { temporaryDirectory, test, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { hold } from "../helpers/wire_client.ts";
import { controlled, controlPath } from "../control/helpers.ts";

const ignore = missing("top in a terminal", "python3");
const ESC = "\u001b";

/** A terminal in which a shell runs `mpserv top`, then says how the terminal is. */
function topOf(
  server: TestServer | string,
  size: [number, number],
  interval = "200ms",
): EmulatedTerminal {
  const target = typeof server === "string" ? server : String(server.port);
  const line = commandLine(["top", target, "--interval", interval]);
  const script =
    'stty -g; echo before; "$@"; echo "code=$?"; stty -g; echo after; read -r _';
  return new EmulatedTerminal(["sh", "-c", script, "sh", ...line], size);
}

/** The terminal's settings, which the shell printed before and after. */
function settings(terminal: EmulatedTerminal): string[] {
  return terminal.sent.match(/^[\da-f]+(:[\da-f]+)+/gm) ?? [];
}

test(
  "top: shows the process tree and whom it serves, leaves out whole columns but those of bytes where it is narrow, and gives the screen back",
  async () => {
    await using server = await startServer({ model: "fork" });
    await controlled(controlPath(server));
    using held = await hold(server.port);
    const { pid } = await server.log.waitFor("new client connected...");
    await using terminal = topOf(server, [24, 80]);
    const { port } = held.localAddr as Deno.NetAddr;
    await terminal.shows(new RegExp(` 1  127\\.0\\.0\\.1:${port} +5 +5$`));
    await terminal.shows(/PID .* CPU% .* PEER +IN +OUT$/);
    await terminal.resize([24, 110]);
    await terminal.shows(/ MEM .* AGE +IDLE +IN +OUT$/);
    await terminal.shows(
      new RegExp(
        `^mpserv 127\\.0\\.0\\.1:${server.port} .* pid ${server.pid} `,
      ),
    );
    await terminal.shows(
      new RegExp(
        `^ *${pid} .*─ mpserv:conn +serving .* 1  127\\.0\\.0\\.1:${port} .* 5 +5$`,
      ),
    );
    await terminal.shows(/─ mpserv:zygote +ready/);
    assert.ok(terminal.isAlternate);
    using next = await hold(server.port);
    const later = (next.localAddr as Deno.NetAddr).port;
    await terminal.shows(new RegExp(` 2  127\\.0\\.0\\.1:${later} `));
    await terminal.type("q");
    await terminal.shows("code=0");
    await terminal.shows("after");
    assert.equal(terminal.isAlternate, false);
    assert.ok(terminal.lines.some((line) => line === "before"));
    const [before, after] = settings(terminal);
    assert.ok(before);
    assert.equal(after, before);
    assert.ok(
      terminal.sent.lastIndexOf(`${ESC}[?25h`) >
        terminal.sent.lastIndexOf(`${ESC}[?25l`),
    );
    await terminal.type("\n");
  },
  { ignore },
);

test("top: follows the terminal's size at once, and scrolls", async () => {
  await using server = await startServer({ model: "pool", crew: "usual" });
  await controlled(controlPath(server));
  await until("its pool is complete", () => server.children().length > 4);
  await using terminal = topOf(server, [24, 80], "1h");
  await terminal.shows(/q quits/);
  await terminal.resize([12, 40]);
  await until(
    "the last line is the last",
    () => /more below/.test(terminal.lines[11]!),
  );
  assert.ok(terminal.lines.some((line) => / mpserv:zygote/.test(line)));
  await terminal.type("\u001b[B\u001b[B");
  await until(
    "the first rows are out of sight",
    () => !terminal.lines.some((line) => / mpserv:zygote/.test(line)),
  );
  await terminal.resize([40, 160]);
  await until(
    "all fits",
    () => terminal.lines[39] === "q quits, arrows scroll",
  );
  assert.ok(terminal.lines.some((line) => / mpserv:zygote/.test(line)));
  await terminal.type("q");
  await terminal.shows("code=0");
  await terminal.type("\n");
}, { ignore });

test(
  "top: every change of the screen is a whole frame, which nothing erases before",
  async () => {
    await using server = await startServer();
    await controlled(controlPath(server));
    await using terminal = topOf(server, [24, 80]);
    const frames = () => terminal.sent.split(`${ESC}[?2026h`).length - 1;
    await until("some frames", () => frames() > 3);
    await terminal.type("\u0003");
    await terminal.shows("code=0");
    const shown = terminal.sent.slice(
      terminal.sent.indexOf(`${ESC}[?2026h`),
      terminal.sent.lastIndexOf(`${ESC}[?7h`),
    );
    assert.equal(shown.includes(`${ESC}[2J`), false);
    for (const frame of shown.split(`${ESC}[?2026h`).slice(1)) {
      assert.ok(
        frame.startsWith(`${ESC}[H`) && frame.endsWith(`${ESC}[?2026l`),
      );
      assert.equal(frame.split("\r\n").length, 24);
    }
    await terminal.type("\n");
  },
  { ignore },
);

test("top: what is told to end gives the screen back, too", async () => {
  await using server = await startServer();
  await controlled(controlPath(server));
  await using terminal = topOf(server, [24, 80]);
  await terminal.shows(/q quits/);
  const top = descendants(terminal.pid).find(({ pid }) => {
    const line = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
    // The shell has it in its command line, too.
    return line.includes("top") && line.includes(String(server.port)) &&
      !line.includes("-c");
  });
  Deno.kill(top!.pid, "SIGTERM");
  await terminal.shows("after");
  assert.equal(terminal.isAlternate, false);
  const [before, after] = settings(terminal);
  assert.equal(after, before);
  await terminal.type("\n");
}, { ignore });

test("top: says that the server has gone, and goes on looking", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/own.sock`;
  const args = ["--control", path];
  const first = await startServer({ args });
  await using terminal = topOf(path, [24, 100]);
  await terminal.shows(new RegExp(`pid ${first.pid} `));
  await first[Symbol.asyncDispose]();
  await terminal.shows(/Cannot reach a server/);
  await using second = await startServer({ args });
  await terminal.shows(new RegExp(`pid ${second.pid} `));
  await terminal.type("q");
  await terminal.shows("code=0");
  await terminal.type("\n");
}, { ignore });

test("top: plain text, once, where it does not write to a terminal", async () => {
  await using server = await startServer({ model: "spawn" });
  await controlled(controlPath(server));
  using _held = await hold(server.port);
  await server.log.waitFor("new client connected...");
  const { code, stdout, stderr } = await runCommand([
    "top",
    String(server.port),
  ]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(stdout.includes(ESC), false);
  assert.match(stdout, new RegExp(`^mpserv 127\\.0\\.0\\.1:${server.port} `));
  assert.match(stdout, /[├└]─ \S+ +serving .* 1 {2}127\.0\.0\.1:\d+ /);
});
