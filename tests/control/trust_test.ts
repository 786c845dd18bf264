/** Commands that ask a server look whose it is, and show nothing of it that could deceive a person. */
import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { runHere } from "../helpers/run_here.ts";
import { startServer } from "../helpers/server.ts";
import { temporaryDirectory, test, until } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { controlled, json } from "./helpers.ts";
import type { Status } from "../../src/control/protocol.ts";

const STRANGER = 65534;
const asRoot = { ignore: Deno.uid() !== 0 };
/** Takes a terminal over, tears a line, and turns text around. */
const EVIL =
  "\x1b]0;owned\x07\x9b31m\r\n\u2028\u2029\u202e\u2066\u200f\u061cdlrow\x7f\x85";
/** All but printable ASCII, a newline, and our dashes. */
const DECEPTIVE = /[^\x20-\x7e\n]/;

/** A server that answers every request with a line of ours. */
class Impostor implements AsyncDisposable {
  readonly #listener: Deno.UnixListener;
  readonly #served: Promise<void>;

  constructor(path: string, answer: unknown) {
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#served = this.#serve(JSON.stringify(answer) + "\n");
  }

  async #serve(line: string): Promise<void> {
    for await (const conn of this.#listener) {
      await conn.read(new Uint8Array(4096));
      await conn.write(new TextEncoder().encode(line)).catch(() => {});
      conn.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#served;
  }
}

for (
  const args of [
    ["status"],
    ["connections"],
    ["drop", "1"],
    ["drain"],
    ["top"],
    ["events"],
    ["page"],
  ]
) {
  test(`mpserv ${args[0]}: what a server says reaches the terminal as text`, async () => {
    await using directory = temporaryDirectory();
    const path = `${directory.path}/evil.sock`;
    await using _impostor = new Impostor(path, { ok: false, error: EVIL });
    // This one looks for a reader's end as long as it runs.
    const run = args[0] === "events" ? runCommand : runHere;
    const { code, stdout, stderr } = await run([...args, path]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^error: [^\n]*\\u001b[^\n]*dlrow[^\n]*\n$/);
    assert.doesNotMatch(stderr, DECEPTIVE);
  });
}

test("mpserv status, text and --json: no field deceives a person", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/evil.sock`;
  const status = {
    ok: true,
    pid: 1,
    version: EVIL,
    state: EVIL,
    address: EVIL,
    listener: { transport: "unix", path: EVIL },
    uptime: 0,
    model: EVIL,
    why: EVIL,
    rewinding: { isOn: false, why: EVIL, rewound: 0, replaced: { [EVIL]: 1 } },
    totals: {
      accepted: 0,
      served: 0,
      active: 0,
      ended: { [EVIL]: 1 },
      refused: {},
    },
    waiting: 0,
    zygotes: 0,
    children: {},
  };
  await using _impostor = new Impostor(path, status);
  for (const more of [[], ["--json"]]) {
    const words = ["status", path, ...more];
    const { stdout, stderr, code } = await runHere(words);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.doesNotMatch(stdout, DECEPTIVE);
    assert.equal(stdout.trimEnd().split("\n").length, more.length ? 1 : 6);
    if (more.length > 0) assert.equal(JSON.parse(stdout).version, EVIL);
  }
});

test("mpserv drop: the peer that a server names reaches the terminal as text", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/evil.sock`;
  await using _impostor = new Impostor(path, {
    ok: true,
    peer: EVIL,
    live: EVIL,
  });
  for (const args of [["drop", "1"], ["drain"]]) {
    const { stdout } = await runHere([...args, path]);
    assert.match(stdout, /^[^\n]*dlrow[^\n]*\n$/);
    assert.doesNotMatch(stdout, DECEPTIVE);
  }
});

test(
  "mpserv status, page, serve --take-over: another user's server is not believed",
  async () => {
    await using directory = temporaryDirectory();
    Deno.chmodSync(directory.path, 0o777);
    const path = `${directory.path}/theirs.sock`;
    const stranger = ["setpriv", "--reuid", `${STRANGER}`, "--clear-groups"];
    const listen = `UNIX-LISTEN:${path},fork,mode=777`;
    const answer = `SYSTEM:echo '{"ok":true}'`;
    const program = new Deno.Command(stranger[0]!, {
      args: [...stranger.slice(1), "socat", listen, answer],
      cwd: "/",
      stdin: "null",
    }).spawn();
    try {
      await until("it listens", () => {
        try {
          return ((Deno.lstatSync(path).mode ?? 0) & 0o777) === 0o777;
        } catch {
          return false;
        }
      });
      for (
        const { code, stderr } of [
          await runHere(["status", path]),
          await runHere(["page", path]),
          await runCommand(["serve", "--take-over", "--control", path]),
        ]
      ) {
        assert.equal(
          stderr,
          `error: Cannot trust the server at "${path}": it belongs to the user with id ${STRANGER}: run the command as that user\n`,
        );
        assert.equal(code, 1);
      }
    } finally {
      program.kill("SIGTERM");
      await program.status;
    }
  },
  {
    ignore: Deno.uid() !== 0 ||
      missing("strangers' servers", "setpriv", "socat"),
  },
);

test(
  "mpserv status: a socket in another user's directory is not believed",
  async () => {
    await using directory = temporaryDirectory();
    const theirs = `${directory.path}/theirs`;
    Deno.mkdirSync(theirs);
    const path = `${theirs}/own.sock`;
    await using _server = await startServer({ args: ["--control", path] });
    Deno.chownSync(theirs, STRANGER, STRANGER);
    const { code, stderr } = await runHere(["status", path]);
    assert.match(
      stderr,
      /^error: Cannot trust the server at "[^"]+": the directory belongs to the user with id 65534: [^\n]+\n$/,
    );
    assert.equal(code, 1);
  },
  asRoot,
);

test("mpserv status: a path that is too long for a socket is told as that", async () => {
  const path = `/tmp/${"x".repeat(120)}.sock`;
  const { code, stderr } = await runHere(["status", path]);
  assert.equal(
    stderr,
    `error: Cannot reach a server at "${path}": the path is too long for a socket: use a shorter one, such as a link to its directory\n`,
  );
  assert.equal(code, 1);
});

test("control socket: a directory whose path is too long is left out, in favour of the next", async () => {
  await using directory = temporaryDirectory();
  const long = `${directory.path}/${"long-".repeat(18)}`;
  Deno.mkdirSync(long, { mode: 0o700 });
  const own = `mpserv-${Deno.uid()}`;
  for (
    const [temporary, expected] of [
      [directory.path, `${directory.path}/${own}`],
      [long, `/tmp/${own}`],
    ] as const
  ) {
    const env = { XDG_RUNTIME_DIR: long, TMPDIR: temporary };
    await using server = await startServer({ env });
    await controlled(`${expected}/${server.port}.sock`);
    assert.deepEqual([...Deno.readDirSync(long)], []);
    const { stdout, code } = await runCommand(
      ["status", String(server.port), "--json"],
      { env },
    );
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as Status).pid, server.pid);
    assert.equal(
      (await json<Status>(["status", `${expected}/${server.port}.sock`])).pid,
      server.pid,
    );
  }
});
