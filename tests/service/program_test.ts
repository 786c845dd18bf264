/** Any program as a service: what it gets, and what becomes of it. */
import assert from "node:assert/strict";
import { killNow } from "../helpers/processes.ts";
import { startServer } from "../helpers/server.ts";
import {
  randomBytes,
  sameBytes,
  temporaryDirectory,
  test,
  until,
} from "../helpers/testing.ts";
import {
  connect,
  exchange,
  hold,
  receive,
  receiveAll,
  roundTrip,
} from "../helpers/wire_client.ts";
import { programModels } from "./program_models.ts";

const none = new Uint8Array(0);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** What programs do at last, and how the connection is told to have ended. */
const ENDS: readonly (readonly [script: string, how: unknown[]])[] = [
  ["exit 0", ["INFO", "closed"]],
  ["exit 3", ["WARN", "exit code 3"]],
  ["kill -TERM $$", ["WARN", "SIGTERM"]],
  ["kill -KILL $$", ["WARN", "SIGKILL"]],
  ["kill -PIPE $$", ["INFO", "reset: SIGPIPE"]],
  ["kill -TERM 0; sleep 9", ["WARN", "SIGTERM"]],
];

for (const model of programModels()) {
  const serve = (
    program: readonly string[],
    args: readonly string[] = [],
    through: readonly string[] = [],
  ) => startServer({ model, args: [...args, "--", ...program], through });
  const shell = (script: string, args: readonly string[] = []) =>
    serve(["sh", "-c", script], args);

  test(`program (${model}): its standard input and output are the connection, byte by byte, in the process that the log names, and a drain lets it finish`, async () => {
    await using server = await serve(["cat"]);
    for (const size of model === "spawn" ? [65_537] : [0, 1, 65_537, 1 << 20]) {
      using conn = await connect(server.port);
      const bytes = randomBytes(size);
      assert.ok(sameBytes(await exchange(conn, bytes), bytes), `${size} bytes`);
      const line = await server.endOf(conn);
      // Nobody stands between the program and its client to count.
      assert.deepEqual([line.level, line.reason, line.in, line.out], [
        "INFO",
        "closed",
        undefined,
        undefined,
      ]);
    }

    using victim = await hold(server.port);
    const pid = await server.processOf(victim);
    const process = server.children().find((one) => one.pid === pid);
    assert.equal(process?.comm, "cat");
    assert.equal(
      server.children().filter(({ parent }) => parent === pid).length,
      0,
    );
    await until(
      "nobody else has the connection",
      () => server.serving().length === 1,
    );
    assert.deepEqual(server.serving(), [{ pid, connections: 2 }]);

    using other = await hold(server.port);
    killNow(pid);
    assert.equal((await receiveAll(victim)).length, 0);
    assert.equal(await roundTrip(other), "hello", "it ends its own alone");

    server.signal("SIGTERM");
    await server.log.waitFor(/^draining/);
    assert.equal(await roundTrip(other), "hello");
    await other.closeWrite();
    assert.equal((await server.exit()).code, 0);
    assert.equal((await server.endOf(other)).reason, "closed");
  });

  test(`program (${model}): has nothing open but 0, 1 and 2, finds every signal as a new process does, and leads its own group; its exit is how the connection ended`, async () => {
    await using server = await shell('read way; eval "$way"');
    using other = await connect(server.port);
    await server.log.waitFor("new client connected...");
    /** What a shell script sends. */
    const output = async (script: string) => {
      using conn = await connect(server.port);
      const bytes = new TextEncoder().encode(script + "\n");
      return text(await exchange(conn, bytes));
    };

    const lines = (await output("cd /proc/self/fd && exec ls -l")).trim().split(
      "\n",
    ).slice(1);
    const links = lines.map((line) => /(\d+) -> (.*)$/.exec(line)!.slice(1));
    assert.deepEqual(links.map(([fd]) => fd), ["0", "1", "2", "3"]);
    assert.match(links[0]![1]!, /^socket:/);
    assert.equal(links[1]![1], links[0]![1]);
    assert.match(links[2]![1]!, /^pipe:/); // the server's log
    assert.match(links[3]![1]!, /^\/proc\/\d+\/fd$/); // of ls itself

    const status = await output("exec cat /proc/self/status /proc/self/stat");
    const maskIn = (text: string, name: string) =>
      BigInt(
        "0x" + new RegExp(`^${name}:\\s*([0-9a-f]+)$`, "m").exec(text)![1],
      );
    const mask = (name: string) => maskIn(status, name);
    assert.equal(mask("SigBlk"), 0n);
    assert.equal(mask("SigPnd"), 0n);
    const internal = 3n << 31n; // 32 and 33 are the C library's own
    // A shell ignores SIGINT and SIGQUIT for what it runs in the background, and that stays so.
    const background = maskIn(
      await Deno.readTextFile("/proc/self/status"),
      "SigIgn",
    ) & 0b110n;
    assert.equal(mask("SigIgn") & ~internal & ~background, 0n);
    const [pid, , , , group] = status.trim().split("\n").at(-1)!.split(" ");
    assert.equal(group, pid);

    for (const [script, how] of ENDS) {
      using conn = await connect(server.port);
      await exchange(conn, new TextEncoder().encode(script + "\n"));
      const { level, reason } = await server.endOf(conn);
      assert.deepEqual([level.replace("WARNING", "WARN"), reason], how, script);
    }
    const still = await exchange(other, new TextEncoder().encode("echo on\n"));
    assert.equal(text(still), "on\n", "no other connection ended with them");
  });

  test(`program (${model}): gets the server's environment, where that was granted, and what UCSPI and systemd tell`, async () => {
    await using server = await serve(["env", "-0"], ["--grant", "env"], [
      "/usr/bin/env",
      "GREETING=hello  wörld\nsecond line",
      "TCPREMOTEHOST=stale",
      "UNIXREMOTEPID=1",
    ]);
    using conn = await connect(server.port);
    const entries = text(await exchange(conn, none)).split("\0").map((entry) =>
      entry.split(/=(.*)/s, 2) as [string, string]
    );
    const env = new Map(entries);
    assert.equal(env.get("GREETING"), "hello  wörld\nsecond line");
    assert.equal(env.get("PATH"), Deno.env.get("PATH"));
    const local = `${conn.localAddr.port}`;
    const told = {
      PROTO: "TCP",
      TCPLOCALIP: "127.0.0.1",
      TCPLOCALPORT: `${server.port}`,
      TCPREMOTEIP: "127.0.0.1",
      TCPREMOTEPORT: local,
      TCPCONNNUM: "1",
      REMOTE_ADDR: "127.0.0.1",
      REMOTE_PORT: local,
    };
    for (const [name, value] of Object.entries(told)) {
      assert.equal(env.get(name), value, name);
    }
    for (const name of ["TCPREMOTEHOST", "UNIXREMOTEPID", "LD_PRELOAD"]) {
      assert.equal(env.get(name), Deno.env.get(name), name);
    }
  });

  test(`program (${model}): long arguments and environments arrive whole, and ps does not show them`, async () => {
    const value = "v".repeat(100_000);
    const word = "w".repeat(90_000);
    await using server = await serve(
      [
        "sh",
        "-c",
        'echo "$#" "${#1}" "${#2}" "${#SECRET}"; cat',
        "sh",
        word,
        word,
      ],
      ["--grant", "env=SECRET"],
      ["/usr/bin/env", `SECRET=${value}`],
    );
    const lines = server.children().map(({ pid }) =>
      Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "") // it ended
    );
    for (const line of await Promise.all(lines)) {
      assert.ok(!line.includes("wwww") && !line.includes("SECRET"));
    }
    using conn = await connect(server.port);
    assert.equal(text(await exchange(conn, none)), "2 90000 90000 100000\n");
  });

  test(`program (${model}): standard error is the server's, or the client's with --stderr client`, async () => {
    {
      await using server = await shell("echo out; echo err >&2");
      using conn = await connect(server.port);
      assert.equal(text(await exchange(conn, none)), "out\n");
      await until(
        "it is on the server's",
        () => server.log.others.includes("err"),
      );
    }
    await using server = await shell("echo out; echo err >&2", [
      "--stderr",
      "client",
    ]);
    using conn = await connect(server.port);
    assert.equal(text(await exchange(conn, none)), "out\nerr\n");
    await server.log.waitFor("client disconnected...");
    assert.deepEqual(server.log.others, []);
  });

  test(`program (${model}): one that closes its output early still reads to the end`, async () => {
    await using directory = temporaryDirectory();
    const file = `${directory.path}/got`;
    await using server = await shell(
      `echo ready; exec >&-; cat >'${file}.part'; mv '${file}.part' '${file}'`,
    );
    using conn = await connect(server.port);
    const bytes = randomBytes(300_000);
    assert.equal(text(await exchange(conn, bytes)), "ready\n");
    const { reason } = await server.log.waitFor("client disconnected...");
    assert.equal(reason, "closed", String(server.log));
    assert.ok(sameBytes(Deno.readFileSync(file), bytes));
  });

  test(`program (${model}): a drain asks it to end with SIGTERM, and then insists`, async () => {
    await using server = await shell(
      "trap '' TERM; echo ready; while :; do sleep 1; done",
      ["--drain-timeout", "100ms"],
    );
    using conn = await connect(server.port);
    assert.equal(text(await receive(conn, 6)), "ready\n");
    assert.equal((await server.stop()).code, 0);
    assert.equal((await receiveAll(conn)).length, 0);
    const { reason } = await server.log.waitFor("client disconnected...");
    assert.equal(reason, "SIGKILL");
  });
}
