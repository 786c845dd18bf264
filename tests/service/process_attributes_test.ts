/** Who a connection's process is, and what it may use. */
import assert from "node:assert/strict";
import { handlerFile } from "../helpers/handler_file.ts";
import { runCommand } from "../helpers/command.ts";
import { runHere } from "../helpers/run_here.ts";
import { type Model, models, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import {
  connect,
  exchange,
  hold,
  receiveAll,
  roundTrip,
} from "../helpers/wire_client.ts";
import { testUsage } from "../helpers/usage.ts";
import { programModels } from "./program_models.ts";

const HANDLER = await handlerFile("handlers/greedy.ts", import.meta.url);
const isRoot = Deno.uid() === 0;
const NOBODY = 65534;

/** A server whose handler takes what clients ask for. */
const greedy = (model: Model, args: readonly string[]) =>
  startServer({ model, args: ["--handler", HANDLER, ...args] });

/** What the handler or program says to a request. */
async function ask(
  { port }: { port: number },
  request: string,
): Promise<string> {
  using conn = await connect(port);
  const said = await exchange(conn, new TextEncoder().encode(request)).catch(
    () => new Uint8Array(0),
  );
  return new TextDecoder().decode(said).trim();
}

const lines = (text: string) => text.split("\n");

for (const model of programModels()) {
  const shell = (script: string, args: readonly string[]) =>
    startServer({ model, args: [...args, "--", "sh", "-c", script] });

  test(
    `attributes (${model}): a program runs as the user, with that user's groups alone, in the directory, with umask, nice value and limits, and has none that was not asked for`,
    async () => {
      await using directory = temporaryDirectory();
      Deno.chmodSync(directory.path, 0o755);
      const script =
        `id -u; id -g; id -G; grep ^CapEff /proc/self/status; pwd -P; umask; nice;
        ulimit -t; ulimit -d; ulimit -n; ulimit -v`;
      await using server = await shell(script, [
        ...["--user", "nobody", "--chdir", directory.path],
        ...["--umask", "027", "--nice", "5", "--limit-cpu", "1500ms"],
        ...["--limit-memory", "64MiB", "--limit-files", "10"],
      ]);
      assert.deepEqual(lines(await ask(server, "")), [
        ...[`${NOBODY}`, `${NOBODY}`, `${NOBODY}`],
        ...["CapEff:\t0000000000000000", Deno.realPathSync(directory.path)],
        ...["0027", "5", "2", `${64 * 1024}`, "10", "unlimited"],
      ]);
      await using free = await shell("ulimit -t; ulimit -d", []);
      assert.deepEqual(lines(await ask(free, "")), ["unlimited", "unlimited"]);
    },
    { ignore: !isRoot },
  );

  test(
    `attributes (${model}): a group, and numbers that no user has, are taken, too`,
    async () => {
      for (
        const [user, ids] of [
          ["nobody:daemon", [NOBODY, 1]],
          ["4711:4712", [4711, 4712]],
        ] as const
      ) {
        if (model !== "spawn" && user.startsWith("nobody")) continue;
        await using server = await shell("id -u; id -g", ["--user", user]);
        assert.deepEqual(lines(await ask(server, "")), ids.map(String));
      }
    },
    { ignore: !isRoot },
  );

  test(
    `attributes (${model}): a user who is not let into the directory is told so, per connection`,
    async () => {
      await using directory = temporaryDirectory();
      Deno.chmodSync(directory.path, 0o700);
      await using server = await shell("echo in", [
        "--user",
        "nobody",
        "--chdir",
        directory.path,
      ]);
      assert.equal(await ask(server, ""), "");
      const { reason } = await server.log.waitFor("client disconnected...");
      assert.match(String(reason), /Cannot change to ".*\(EACCES\)/);
    },
    { ignore: !isRoot },
  );

  test(`attributes (${model}): a program that wants too much memory does not get it`, async () => {
    await using server = await shell(
      "read n; head -c $n /dev/zero | tail -c $n | wc -c", // tail keeps all of it
      ["--limit-memory", "32MiB"],
    );
    assert.equal(await ask(server, "1000000\n"), "1000000");
    assert.equal(await ask(server, "200000000\n"), "0");
  });
}

for (const model of models()) {
  test(
    `attributes (${model}): a handler runs as the user, in the directory`,
    async () => {
      await using server = await greedy(model, [
        "--user",
        "nobody",
        "--chdir",
        "/var",
        "--grant",
        "sys,read",
      ]);
      for (let i = 0; i < 3; i++) {
        const said = JSON.parse(await ask(server, "identity"));
        assert.deepEqual(said, [NOBODY, NOBODY, "/var"]);
      }
    },
    { ignore: !isRoot },
  );

  test(
    `attributes (${model}): echo serves as another user, within every limit`,
    async () => {
      await using server = await startServer({
        model,
        args: [
          ...["--user", "nobody", "--nice", "1", "--umask", "077"],
          ...["--limit-cpu", "1m", "--limit-memory", "64MiB"],
          ...["--limit-files", "64", "--limit-processes", "1000"],
        ],
      });
      for (let i = 0; i < (model === "spawn" ? 2 : 10); i++) {
        using conn = await hold(server.port);
        assert.equal(await roundTrip(conn, "x".repeat(5000)), "x".repeat(5000));
      }
      using conn = await hold(server.port);
      const serving = await server.processOf(conn);
      const status = Deno.readTextFileSync(`/proc/${serving}/status`);
      assert.match(status, /^Uid:\s+65534\s+65534\s+65534\s+65534$/m);
      assert.match(status, /^Groups:\s+65534\s*$/m);
      await conn.closeWrite();
      assert.equal((await receiveAll(conn)).length, 0);
    },
    { ignore: !isRoot },
  );

  test(`attributes (${model}): a handler that takes too much ends its own connection alone`, async () => {
    await using server = await greedy(model, [
      ...["--limit-memory", "60MB"],
      ...["--limit-files", "64", "--grant", "read"],
    ]);
    using other = await connect(server.port);
    assert.equal(await ask(server, "memory 20"), "ok");
    assert.equal(await ask(server, "heap 20"), "ok");
    assert.equal(await ask(server, "files 10"), "ok");
    assert.match(await ask(server, "files 100"), /too many open files/i);
    assert.notEqual(await ask(server, "memory 400"), "ok");
    if (model === "fork") { // seconds of a processor: one model is enough
      assert.notEqual(await ask(server, "heap 400"), "ok");
      // A server of its own: on a slow machine the other requests take longer than that, too.
      await using brief = await greedy(model, ["--limit-cpu", "1s"]);
      assert.equal(await ask(brief, "spin"), "");
      await brief.log.waitFor(({ reason }) =>
        /^killed: SIG(XCPU|KILL)$/.test(String(reason))
      );
    }
    assert.equal(
      new TextDecoder().decode(
        await exchange(other, new TextEncoder().encode("files 1")),
      ),
      "ok",
      "no other connection ended with them",
    );
  });
}

for (const rewind of models().includes("pool") ? ["auto", "off"] : []) {
  test(`attributes (pool, --rewind ${rewind}): what connections used of the processor, the next one does not lack`, async () => {
    const args = ["--workers", "1", "--rewind", rewind, "--limit-cpu", "2s"];
    const handler = await handlerFile("handlers/busy.ts", import.meta.url);
    await using server = await startServer({
      model: "pool",
      args: ["--handler", handler, ...args],
    });
    for (let i = 0; i < 8; i++) {
      assert.equal(await ask(server, "400"), "ok", `connection ${i + 1}`);
    }
    assert.deepEqual(server.log.others, []);
  });
}

testUsage(["serve", "0"], [
  [["--user", ""], /--user/],
  [["--umask", "8"], /umask "8": expected octal/],
  [["--nice", "20"], /nice value "20": expected .* from -20 to 19/],
  [["--limit-cpu", "5"], /duration "5"/],
  [["--limit-memory", "lots"], /size "lots"/],
  [["--limit-files", "0"], /limit of files "0"/],
]);

/** What the system refuses at start. */
const REFUSED: readonly (readonly [string[], RegExp])[] = [
  [["--user", "no-such-user"], /"no-such-user": no such user/],
  [["--user", "nobody:no-such-group"], /no such group as "no-such-group"/],
  [["--user", "4711"], /"4711": no such user: give a group, as in 4711:/],
  [["--chdir", "/no/such"], /"\/no\/such": no such directory \(ENOENT\)/],
  [["--chdir", "/etc/passwd"], /"\/etc\/passwd": not a directory/],
  [["--limit-files", "8"], /--limit-files 8: too few to serve/],
  [["--limit-processes", "9"], /--limit-processes 9: the system does not/],
];

for (const [args, told] of REFUSED) {
  test(
    `attributes: serve ${args.join(" ")}: is refused in one line`,
    async () => {
      const result = await runHere(["serve", "0", ...args]);
      assert.match(result.stderr, /^error: [^\n]+\n$/);
      assert.match(result.stderr, told);
      assert.deepEqual([result.code, result.stdout], [1, ""]);
    },
    { ignore: !isRoot },
  );
}

for (
  const [args, told] of [
    [["--user", "daemon"], /"daemon": not root \(EPERM\): start the server as/],
    [["--nice", "-5"], /--nice -5: not root \(EACCES\)/],
    [["--limit-files", "5000000"], /--limit-files 5000000: the system allows/],
  ] as const
) {
  test(`attributes: serve ${args.join(" ")}: is refused to who may not do it`, async () => {
    // Root keeps its number, by which it can read this runtime, and loses its rights.
    const rights = "-setuid,-setgid,-sys_nice,-sys_resource";
    const drop = [
      "setpriv",
      `--bounding-set=${rights}`,
      `--inh-caps=${rights}`,
    ];
    const result = await runCommand(["serve", "0", ...args], {
      through: isRoot ? drop : [],
    });
    assert.match(result.stderr, /^error: [^\n]+\n$/);
    assert.match(result.stderr, told);
    assert.deepEqual([result.code, result.stdout], [1, ""]);
  });
}
