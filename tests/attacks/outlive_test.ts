/** Processes that outlive their end: they leave their group, their session, their parent, or do not exit. */
import assert from "node:assert/strict";
import { controlled } from "../control/helpers.ts";
import { handlerFile } from "../helpers/handler_file.ts";
import { runHere } from "../helpers/run_here.ts";
import { isAlive, killNow } from "../helpers/processes.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import {
  temporaryDirectory,
  test,
  unlessHeldUp,
  until,
} from "../helpers/testing.ts";
import {
  connect,
  hold,
  receiveAll,
  roundTrip,
  send,
} from "../helpers/wire_client.ts";
import { anyProgramModel, programModels } from "../service/program_models.ts";

/** The first steps of each way to escape, in Perl; then each prints its processes. */
const ESCAPES: Readonly<Record<string, string>> = {
  // Signals for its group reach another process alone.
  group: `
    sub child { my $p = fork; if (!$p) { sleep 1000; exit } push @pids, $p; $p }
    child(); my $other = child();
    setpgrp($other, $other) and setpgrp(0, $other) or die;`,
  // Twice forked: its own session, no parent but the one that inherits, no environment, and it hears no signal.
  daemon: `
    pipe(my $r, my $w);
    if (!fork) {
      POSIX::setsid();
      if (!fork) {
        %ENV = (); $SIG{TERM} = $SIG{HUP} = 'IGNORE';
        open STDIN, '</dev/null'; open STDOUT, '>/dev/null';
        syswrite $w, "$$\\n";
        close $w;
        sleep 1000 while 1;
      }
      POSIX::_exit(0);
    }
    close $w; push @pids, map { int } <$r>; wait;`,
  // One that starts others as soon as it is told to end.
  hydra: `
    pipe(my $r, my $w);
    if (!fork) {
      setpgrp(0, 0);
      $SIG{TERM} = sub { fork };
      syswrite $w, "$$\\n";
      close $w;
      sleep 1 while 1;
    }
    close $w; push @pids, map { int } <$r>;`,
};
const PERL = ["perl", "-MPOSIX", "-e"];
const hasPerl = new Deno.Command("sh", { args: ["-c", "command -v perl"] })
  .outputSync().success;
if (!hasPerl) {
  const line = "SKIPPED: tests with perl: it is not installed\n";
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}

const STAYS = "sleep 1000 while 1;";
/** A program that escapes by all ways, and tells the client who is there. */
const escaping = (last: string) => [
  ...PERL,
  `$| = 1; my @pids = ($$); ${
    Object.values(ESCAPES).join("\n")
  } print join(" ", @pids), "\\n"; ${last}`,
];
const HANDLERS = {
  starts: await handlerFile("handlers/starts.ts", import.meta.url),
  lingers: await handlerFile("handlers/lingers.ts", import.meta.url),
};

/** The processes that a client is told of, in its first line. */
async function pidsFrom(conn: Deno.Conn): Promise<number[]> {
  let text = "";
  const buffer = new Uint8Array(1024);
  while (!text.includes("\n")) {
    const count = await conn.read(buffer);
    assert.notEqual(count, null, "it is served");
    text += new TextDecoder().decode(buffer.subarray(0, count!));
  }
  const pids = text.trim().split(" ").map(Number);
  assert.ok(pids.length > 0 && pids.every((pid) => pid > 1), text);
  return pids;
}

/** Kills them at the end of the block, if the server has not. */
function killedAtEnd(pids: readonly number[]): Disposable {
  return { [Symbol.dispose]: () => pids.forEach(killNow) };
}

/** All of them end; whatever is left is killed. */
async function allEnd(pids: readonly number[]): Promise<void> {
  try {
    await until("all have ended", () => !pids.some(isAlive));
  } finally {
    for (const pid of pids) killNow(pid);
  }
}

/** Nothing that was started by the server's processes is there, whoever has it now. */
async function nothingIsLeft(server: TestServer): Promise<void> {
  const names = ["sleep", "perl"];
  await until(
    "nothing is left",
    () => !server.children().some(({ comm }) => names.includes(comm)),
  );
}

/** Ends a connection. */
async function drop({ controlPath }: TestServer, id: number): Promise<void> {
  const path = await controlled(controlPath);
  const { code, stderr } = await runHere(["drop", String(id), path]);
  assert.equal(code, 0, stderr);
}

for (const model of programModels()) {
  const serve = (args: readonly string[], program: readonly string[]) =>
    startServer({ model, args: [...args, "--", ...program] });
  const ignore = !hasPerl;

  test(
    `outlive (${model}): drop ends all that a program has started`,
    async () => {
      await using server = await serve([], escaping(STAYS));
      using other = await connect(server.port);
      const spared = await pidsFrom(other);
      using _spared = killedAtEnd(spared);
      using conn = await connect(server.port);
      const pids = await pidsFrom(conn);
      await drop(server, 2);
      await allEnd(pids);
      assert.deepEqual(spared.filter(isAlive), spared, "no other one ends");
      other.close();
      await drop(server, 1);
      await allEnd(spared);
      await nothingIsLeft(server);
    },
    { ignore },
  );

  const LIFETIME = 3_000;
  const lifetime = ["--max-lifetime", `${LIFETIME}ms`];

  test(
    `outlive (${model}): --max-lifetime ends all that a program has started`,
    unlessHeldUp(LIFETIME, async () => {
      await using server = await serve(lifetime, escaping(STAYS));
      using conn = await connect(server.port);
      await allEnd(await pidsFrom(conn));
      const { reason } = await server.log.waitFor("client disconnected...");
      assert.equal(reason, "lifetime");
      await nothingIsLeft(server);
    }),
    { ignore },
  );

  if (model !== anyProgramModel()[0]) continue; // what ends them is the parent

  test(
    `outlive (${model}): --max-lifetime ends what a program has left behind`,
    unlessHeldUp(LIFETIME, async () => {
      await using server = await serve(lifetime, escaping("exit"));
      using conn = await connect(server.port);
      const pids = await pidsFrom(conn);
      const { reason } = await server.log.waitFor("client disconnected...");
      assert.equal(reason, "closed");
      await allEnd(pids);
      await nothingIsLeft(server);
    }),
    { ignore },
  );

  for (const last of [STAYS, "exit"]) {
    const left = last === "exit" ? "left behind" : "started";

    test(
      `outlive (${model}): a drain ends all that a program has ${left}`,
      async () => {
        const args = ["--drain-timeout", "100ms"];
        await using server = await serve(args, escaping(last));
        using conn = await connect(server.port);
        const pids = await pidsFrom(conn);
        if (last === "exit") await server.log.waitFor("client disconnected...");
        assert.equal((await server.stop()).code, 0);
        await allEnd(pids);
      },
      { ignore },
    );

    test(
      `outlive (${model}): a second signal ends all that a program has ${left}, at once`,
      async () => {
        const args = ["--drain-timeout", "1h"];
        await using server = await serve(args, escaping(last));
        using conn = await connect(server.port);
        const pids = await pidsFrom(conn);
        if (last === "exit") await server.log.waitFor("client disconnected...");
        server.signal("SIGTERM");
        await server.log.waitFor(/^draining/);
        server.signal("SIGTERM");
        assert.equal((await server.exit()).code, 0);
        await allEnd(pids);
      },
      { ignore },
    );
  }

  test(`outlive (${model}): what a program leaves behind may go on until then`, async () => {
    await using directory = temporaryDirectory();
    const said = `${directory.path}/said`;
    const script =
      `(setsid sh -c 'read go <"${said}.fifo"; echo went on >"${said}"' >&- 2>&- &) ; echo $$`;
    new Deno.Command("mkfifo", { args: [`${said}.fifo`] }).outputSync();
    await using server = await serve([], ["sh", "-c", script]);
    using conn = await connect(server.port);
    await receiveAll(conn);
    await server.log.waitFor(/^removed proc id/);
    Deno.writeTextFileSync(`${said}.fifo`, "go\n");
    await until("it went on", () => {
      try {
        return Deno.readTextFileSync(said) === "went on\n";
      } catch {
        return false;
      }
    });
  });
}

for (const model of models()) {
  test(`outlive (${model}): what a handler has started ends with it`, async () => {
    const args = ["--handler", HANDLERS.starts, "--grant", "run"];
    await using server = await startServer({ model, args });
    using conn = await connect(server.port);
    const pids = await pidsFrom(conn);
    using other = await connect(server.port);
    const spared = await pidsFrom(other);
    using _spared = killedAtEnd(spared);
    assert.deepEqual([...pids, ...spared].filter(isAlive).length, 2);
    await drop(server, 1);
    await allEnd(pids);
    assert.deepEqual(spared.filter(isAlive), spared);
    await drop(server, 2);
    await allEnd(spared);
  });

  test(`outlive (${model}): a process that hangs after its connection gives its slot back`, async () => {
    if (model === "pool") return; // it takes the next one, or is found when it does not
    const clients = 16;
    const args = ["--handler", HANDLERS.lingers];
    const most = ["--max-connections", String(clients)];
    await using server = await startServer({ model, args: [...args, ...most] });
    for (let steps = 0; steps < clients; steps++) {
      using conn = await connect(server.port);
      await send(conn, new Uint8Array([steps]));
      await conn.closeWrite();
      await server.log.waitForCount("new client connected...", steps + 1);
    }
    const hung = await server.log.waitFor(
      /^Killed process \d+: it did not exit within 5 s after its connection$/,
    );
    const pid = Number(/\d+/.exec(hung.message)![0]);
    const isIts = (line: { message: string; pid?: unknown }) =>
      line.message.startsWith("removed proc id") && line.pid === pid;
    await server.log.waitFor(isIts);
    using next = await connect(server.port);
    await send(next, new Uint8Array([0]));
    await server.log.waitForCount("new client connected...", clients + 1);
  });
}

if (models().includes("fork")) {
  test("outlive (fork): a zygote that does not reap gives its children's slots back", async () => {
    const args = ["--max-connections", "1"];
    await using server = await startServer({ model: "fork", args });
    const conn = await hold(server.port);
    const isZygote = ({ comm }: { comm: string }) => comm === "mpserv:zygote";
    const zygotes = server.children().filter(isZygote);
    for (const { pid } of zygotes) Deno.kill(pid, "SIGSTOP");
    conn.close();
    await server.log.waitFor(/^removed proc id/);
    await server.log.waitFor(/^Zygote \d+ ended \(SIGKILL\)/);
    using next = await connect(server.port);
    assert.equal(await roundTrip(next), "hello");
  });
}
