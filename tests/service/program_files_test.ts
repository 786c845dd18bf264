/** Which file a program is, and what is told when it cannot be run. */
import assert from "node:assert/strict";
import { runHere } from "../helpers/run_here.ts";
import { startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { connect, exchange, receiveAll } from "../helpers/wire_client.ts";
import { anyProgramModel, programModels } from "./program_models.ts";

const none = new Uint8Array(0);

/** What is refused at start: the command line, the exit code, and what is told. */
const REFUSED: readonly (readonly [string[], number, RegExp])[] = [
  [["--", "no-such-program"], 1, /"no-such-program": not found on PATH/],
  [["--", "./no/such"], 1, /"\.\/no\/such": no such file.*\(ENOENT\)/],
  [["--", "/etc/passwd"], 1, /"\/etc\/passwd": permission denied \(EACCES\)/],
  [["--", "/tmp"], 1, /"\/tmp": it is a directory/],
  [["--"], 2, /-- alone/],
  [
    ["--model", "pool", "--", "cat"],
    2,
    /--model pool.*a program serves one connection only/,
  ],
  [["--stderr", "client"], 2, /--stderr without a program/],
  [["--stderr", "nowhere", "--", "cat"], 2, /nowhere.*server, client/],
  [["--service", "echo", "--", "cat"], 2, /both --service and a program/],
  [["--handler", "x.ts", "--", "cat"], 2, /both --handler and a program/],
];

for (const [args, code, told] of REFUSED) {
  test(`program: serve ${args.join(" ")}: is refused in one line`, async () => {
    const result = await runHere(["serve", "0", ...args]);
    assert.match(result.stderr, /^error: [^\n]+\n$/);
    assert.match(result.stderr, told);
    assert.deepEqual([result.code, result.stdout], [code, ""]);
  });
}

for (const model of anyProgramModel()) {
  test(`program (${model}): a path is taken from where the server was started, options after -- are its own`, async () => {
    await using directory = temporaryDirectory();
    const file = `${directory.path}/args`;
    Deno.writeTextFileSync(file, '#!/bin/sh\necho "$0" "$@"\n', {
      mode: 0o755,
    });
    await using server = await startServer({
      model,
      args: ["--", "./args", "--help", "--", "a b"],
      through: ["/bin/sh", "-c", `cd ${directory.path}; exec "$@"`, "sh"],
    });
    using conn = await connect(server.port);
    const said = new TextDecoder().decode(await exchange(conn, none));
    assert.equal(said, `${file} --help -- a b\n`);
  });
}

for (const model of programModels()) {
  test(`program (${model}): what cannot be run is told per connection, and the server goes on`, async () => {
    await using directory = temporaryDirectory();
    const file = `${directory.path}/service`;
    Deno.writeTextFileSync(file, "echo no first line\n", { mode: 0o755 });
    await using server = await startServer({ model, args: ["--", file] });
    const failure = async (id: number): Promise<string> => {
      using conn = await connect(server.port);
      assert.equal((await receiveAll(conn)).length, 0);
      const line = await server.log.waitFor((line) =>
        line.message === "client disconnected..." && line.id === id
      );
      return String(line.reason);
    };
    assert.match(
      await failure(1),
      /^error: Cannot run ".*service": .*\(ENOEXEC\): a script must begin with/,
    );
    Deno.writeTextFileSync(file, "#!/no/such/interpreter\n");
    assert.match(await failure(2), /\(ENOENT\): it or its interpreter is miss/);
    Deno.removeSync(file);
    assert.match(await failure(3), /\(ENOENT\)/);
    Deno.writeTextFileSync(file, "#!/bin/sh\necho well\n", { mode: 0o755 });
    using conn = await connect(server.port);
    assert.equal(new TextDecoder().decode(await receiveAll(conn)), "well\n");
  });

  test(`program (${model}): over a Unix domain socket it is told who connected`, async () => {
    await using directory = temporaryDirectory();
    const path = `${directory.path}/socket`;
    await using _server = await startServer({
      model,
      port: null,
      args: ["--unix", path, "--", "env"],
    });
    using conn = await Deno.connect({ transport: "unix", path });
    const lines = new TextDecoder().decode(await receiveAll(conn)).split("\n");
    for (
      const line of [
        "PROTO=UNIX",
        `UNIXLOCALPATH=${path}`,
        "UNIXCONNNUM=1",
        `UNIXREMOTEPID=${Deno.pid}`,
        `UNIXREMOTEEUID=${Deno.uid()}`,
        `UNIXREMOTEEGID=${Deno.gid()}`,
      ]
    ) assert.ok(lines.includes(line), line);
    assert.ok(!lines.some((line) => /^(TCP|REMOTE_)/.test(line)));
  });
}
