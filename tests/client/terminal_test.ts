import assert from "node:assert/strict";
import { EmulatedTerminal } from "../helpers/emulated_terminal.ts";
import { test, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { Client, clientCommandLine, runRedirected } from "./test_client.ts";
import { echo, Gate, receive, send, TestServer } from "./test_server.ts";

const SIZE: [number, number] = [10, 100];
const needs = { ignore: missing("client, on a terminal", "python3") };

for (
  const [options, ways] of [
    [[], 'a line "q" or Ctrl-D'],
    [["--lock-step"], 'a line "q" or Ctrl-D'],
    [["--raw"], "Ctrl-D"],
    [["--no-shutdown"], 'a line "q"'],
    [["--raw", "--no-shutdown"], "Ctrl-C"],
  ] as const
) {
  const name = ["client", ...options].join(" ");
  test(
    `${name}: on a terminal it says once whom it is connected to, and how to end`,
    async () => {
      await using server = new TestServer(echo);
      await using terminal = new EmulatedTerminal(
        clientCommandLine([...server.args, ...options]),
        SIZE,
      );
      await terminal.shows(
        `Connected to ${server.args.join(":")}: ${ways} ends`,
      );
      await terminal.type("one\n");
      await until(
        "it came back",
        () =>
          terminal.lines.filter((line) => line.endsWith("one")).length === 2,
      );
      const keys = ways.includes('"q"')
        ? "q\n"
        : ways === "Ctrl-D"
        ? "\x04"
        : "\x03";
      await terminal.type(keys);
      await terminal.exit();
      assert.equal(terminal.sent.split("Connected").length, 2);
    },
    needs,
  );
}

for (const pipe of ['"$@" | cat', '"$@" 2>&1 | cat', ': | "$@"']) {
  test(`client: in a pipe it says nothing of that: ${pipe}`, async () => {
    await using server = new TestServer((conn) => send(conn, "the time\n"));
    await using terminal = new EmulatedTerminal(
      ["sh", "-c", pipe, "sh", ...clientCommandLine(server.args)],
      SIZE,
    );
    await terminal.exit();
    assert.match(terminal.sent, /the time/);
    assert.doesNotMatch(terminal.sent, /Connected/);
  }, needs);
}

test(
  "client: an error starts on a line of its own, on a terminal",
  async () => {
    await using server = new TestServer(async (conn) => {
      await receive(conn, 2);
      await send(conn, "x");
    });
    await using terminal = new EmulatedTerminal(
      clientCommandLine(server.args),
      SIZE,
    );
    await terminal.shows("Connected");
    await terminal.type("a\n");
    await terminal.shows(/^error: Server closed the connection: 1 of 2 bytes/);
    assert.ok(terminal.lines.includes("Message from server: x"));
    assert.equal(await terminal.exit(), 1);
  },
  needs,
);

for (const mode of [[], ["--lock-step"]]) {
  const name = ["client", ...mode].join(" ");
  test(`${name}: an error starts on a line of its own in a log of both`, async () => {
    await using server = new TestServer(async (conn) => {
      await send(conn, "unfinished");
      await hangs.opened;
    });
    using hangs = new Gate();
    const { stdout, code } = await runRedirected(
      [...server.args, ...mode, "--no-prefix", "--idle-timeout", "3s"],
      "2>&1",
    );
    assert.equal(
      stdout,
      "unfinished\nerror: Gave up: nothing came or went for 3s\n",
    );
    assert.equal(code, 1);
  });
}

test("client: an error adds nothing to an output of its own", async () => {
  await using server = new TestServer(async (conn) => {
    await receive(conn, 2);
    await send(conn, "x");
  });
  await using client = new Client([...server.args, "--no-prefix"]);
  await client.type("a\n");
  const { stdout, stderr } = await client.result();
  assert.equal(stdout, "x");
  assert.match(stderr, /^error: [^\n]+\n$/);
});
