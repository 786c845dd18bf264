/** Daemons of inetd that enclose themselves: they change their root and their user, and have a sandbox of their own. */
import assert from "node:assert/strict";
import { startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";
import { anyProgramModel, programModels } from "./program_models.ts";

/** Whether a program is on PATH; a test says that it is skipped without it. */
function installed(name: string): boolean {
  const { success } = new Deno.Command("sh", {
    args: ["-c", `command -v ${name}`],
    stdout: "null",
  }).outputSync();
  if (!success) {
    const line = `SKIPPED: tests with ${name}: it is not installed\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(line));
  }
  return success;
}

const isRoot = Deno.uid() === 0;
const SBIN = "/usr/sbin/sshd";
const has = {
  rsync: isRoot && installed("rsync"),
  sshd: isRoot && installed(SBIN) && installed("ssh"),
};
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The output and the exit of a program. */
async function run(program: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
  }).output();
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

for (const model of programModels()) {
  const serve = (program: readonly string[], args: readonly string[] = []) =>
    startServer({ model, args: [...args, "--", ...program] });

  test(
    `daemons (${model}): rsync --daemon with a root of its own gives its files`,
    async () => {
      await using directory = temporaryDirectory();
      const { path } = directory;
      Deno.mkdirSync(`${path}/files`);
      Deno.chmodSync(path, 0o755);
      Deno.writeTextFileSync(`${path}/files/a.txt`, "from rsync\n");
      const config = `${path}/rsyncd.conf`;
      const lines = ["use chroot = yes", "uid = nobody", "gid = nogroup"];
      const module = ["[files]", `path = ${path}/files`];
      Deno.writeTextFileSync(
        config,
        [...lines, `log file = ${path}/log`, ...module, ""].join("\n"),
      );
      await using server = await serve([
        "rsync",
        "--daemon",
        "--config",
        config,
      ]);
      const url = `rsync://127.0.0.1:${server.port}/files/`;
      const result = await run("rsync", "--archive", url, `${path}/got/`);
      assert.deepEqual([result.stderr, result.code], ["", 0]);
      const got = Deno.readTextFileSync(`${path}/got/a.txt`);
      assert.equal(got, "from rsync\n");
    },
    { ignore: !has.rsync },
  );

  test(
    `daemons (${model}): sshd -i separates its privileges, and lets its user in`,
    async () => {
      await using directory = temporaryDirectory();
      const { path } = directory;
      Deno.mkdirSync("/run/sshd", { recursive: true }); // as its package's unit does
      for (const key of ["host", "user"]) {
        await run(
          "ssh-keygen",
          ...["-q", "-t", "ed25519", "-N", "", "-f", `${path}/${key}`],
        );
      }
      const config = `${path}/sshd_config`;
      Deno.writeTextFileSync(
        config,
        [
          `HostKey ${path}/host`,
          `AuthorizedKeysFile ${path}/user.pub`,
          ...["StrictModes no", "PidFile none", "PermitRootLogin yes", ""],
        ].join("\n"),
      );
      await using server = await serve([SBIN, "-i", "-f", config]);
      const result = await run(
        "ssh",
        ...["-F", "none", "-p", `${server.port}`, "-i", `${path}/user`],
        ...["-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"],
        ...["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"],
        ...["root@127.0.0.1", "echo from $0; id -u"],
      );
      assert.deepEqual([result.stderr, result.code], ["", 0]);
      assert.match(result.stdout, /^from .*\n0\n$/);
    },
    { ignore: !has.sshd },
  );

  test(`daemons (${model}): a program behind chroot serves`, async () => {
    await using server = await serve(["chroot", "/", "cat"]);
    using conn = await connect(server.port);
    const bytes = new TextEncoder().encode("within\n");
    assert.equal(text(await exchange(conn, bytes)), "within\n");
  }, { ignore: !isRoot });
}

for (const model of anyProgramModel()) {
  const serve = (program: readonly string[], args: readonly string[] = []) =>
    startServer({ model, args: [...args, "--", ...program] });
  const HINT = /exited soon.*--sandbox off only if/;

  test(`daemons (${model}): one that fails at once makes the log name the filter, once`, async () => {
    await using server = await serve(["sh", "-c", "exit 3"]);
    for (let i = 0; i < 3; i++) {
      using conn = await connect(server.port);
      await exchange(conn, new Uint8Array(0));
    }
    await server.log.waitForCount("client disconnected...", 3);
    const hint = await server.log.waitFor(HINT);
    assert.equal(hint.level, "WARN");
    assert.match(hint.message, /\(exit code 3\)/);
    assert.equal((await server.stop()).code, 0);
    assert.equal(server.log.where(HINT).length, 1);
  });

  for (
    const [what, args, script] of [
      ["that ends well", [], "exit 0"],
      ["without a filter", ["--sandbox", "off"], "exit 3"],
    ] as const
  ) {
    test(`daemons (${model}): one ${what} makes the log say nothing of a filter`, async () => {
      await using server = await serve(["sh", "-c", script], args);
      using conn = await connect(server.port);
      await exchange(conn, new Uint8Array(0));
      assert.equal((await server.stop()).code, 0);
      assert.deepEqual(server.log.where(HINT), []);
    });
  }
}
