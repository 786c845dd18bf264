import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  compile,
  EXECUTABLES,
  type Target,
} from "../../.release/executables.ts";
import { linkedFrom } from "../../.release/documents.ts";
import { makeStage } from "../../.release/stage.ts";
import manifest from "../../deno.json" with { type: "json" };
import { LogReader } from "../helpers/log_reader.ts";
import {
  randomBytes,
  sameBytes,
  temporaryDirectory,
  test,
  within,
} from "../helpers/testing.ts";
import { filesBelow } from "./installing.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const NAME = `mpserv-${manifest.version}-${Deno.build.target}`;

/**
 * Archives that were made before (release.yml), or a runtime to make them with: making them takes a
 * while, and `deno compile` may have to download.
 */
const made = Deno.env.get("MPSERV_TEST_RELEASE");
const ignore = made === undefined && !Deno.env.get("DENORT_BIN");
if (ignore) {
  const line =
    "SKIPPED: release: neither DENORT_BIN nor MPSERV_TEST_RELEASE is set\n";
  await Deno.stderr.write(new TextEncoder().encode(line));
}

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  program: string,
  args: readonly string[],
  options: Deno.CommandOptions = {},
): Promise<Result> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    ...options,
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) =>
    new TextDecoder().decode(bytes)
  );
  return { code, stdout: out!, stderr: err! };
}

/** Runs `deno task release` for this system. */
async function release(output: string): Promise<Result> {
  const target = Deno.build.target;
  const words = ["task", "release", "--target", target, "--output", output];
  return await run(Deno.execPath(), words, { cwd: ROOT });
}

/** Unpacked archives, and a home that nobody can write to. */
async function unpack(): Promise<{ path: string } & AsyncDisposable> {
  const directory = temporaryDirectory();
  const { path } = directory;
  const archives = made ?? `${path}/archives`;
  if (made === undefined) {
    const { code, stderr } = await release(archives);
    assert.equal(code, 0, stderr);
  }
  const check = Deno.build.os === "darwin"
    ? run("shasum", ["-a", "256", "-c", "SHA256SUMS"], { cwd: archives })
    : run("sha256sum", ["--check", "--strict", "SHA256SUMS"], {
      cwd: archives,
    });
  const { code, stdout, stderr } = await check;
  assert.equal(code, 0, stderr);
  assert.ok(stdout.includes(`${NAME}.tar.gz: OK`), stdout);
  const archive = `${archives}/${NAME}.tar.gz`;
  const unpacked = await run("tar", ["-xzf", archive, "-C", path]);
  assert.equal(unpacked.code, 0, unpacked.stderr);
  await Deno.mkdir(`${path}/home`, { mode: 0o555 });
  return directory;
}

/** An environment that contains nothing else. */
function empty(path: string): Deno.CommandOptions {
  const env = { HOME: `${path}/home` };
  return { clearEnv: true, env, cwd: `${path}/home`, stdin: "null" };
}

async function converse(path: string, model: string): Promise<void> {
  const bin = `${path}/${NAME}/bin`;
  const server = new Deno.Command(`${bin}/mpserv`, {
    args: ["serve", "0", "--model", model, "--log-format", "json"],
    ...empty(path),
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = new LogReader(server.stderr);
  const { address, model: chosen } = await log.waitFor(/^listening on /);
  assert.equal(chosen, model);
  const port = String(address).split(":").at(-1)!;
  const client = new Deno.Command(`${bin}/mpclient`, {
    args: ["--raw", "127.0.0.1", port],
    ...empty(path),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const bytes = randomBytes(1_000_000);
  const writer = client.stdin.getWriter();
  const written = writer.write(bytes).then(() => writer.close());
  const { code, stdout, stderr } = await within("the client", client.output());
  await written;
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.ok(sameBytes(stdout, bytes));
  server.kill("SIGTERM");
  assert.equal((await within("the server", server.status)).code, 0);
  await log.ended;
}

/** Compiles an executable again, and finds the archive's bytes. */
async function isTheSame(path: string): Promise<void> {
  const { mtime } = await Deno.stat(`${path}/${NAME}/LICENSE`);
  await using stage = await makeStage(mtime!);
  const target = Deno.build.target as Target;
  const output = `${stage.path}/mpclient-${target}`;
  const [, mpclient] = EXECUTABLES;
  await compile(mpclient!, stage, { target, output });
  const [again, published] = await Promise.all(
    [output, `${path}/${NAME}/bin/mpclient`].map((file) => Deno.readFile(file)),
  );
  assert.ok(sameBytes(again!, published!), "other bytes from the same sources");
}

test(
  "release: the archive's executables serve and connect with nothing around them",
  async () => {
    await using directory = await unpack();
    const { path } = directory;
    assert.deepEqual(
      filesBelow(`${path}/${NAME}`).filter((name) => !/^licenses\//.test(name)),
      [
        ...linkedFrom("README.md"),
        "bin/mpclient",
        "bin/mpserv",
        "share/bash-completion/completions/mpclient",
        "share/bash-completion/completions/mpserv",
        "share/fish/vendor_completions.d/mpclient.fish",
        "share/fish/vendor_completions.d/mpserv.fish",
        "share/man/man1/mpclient.1",
        "share/man/man1/mpserv.1",
        "share/zsh/site-functions/_mpclient",
        "share/zsh/site-functions/_mpserv",
      ].sort(),
    );
    assert.ok(
      filesBelow(`${path}/${NAME}/licenses`).includes("@logtape/logtape.txt"),
    );
    for (const name of ["mpserv", "mpclient"]) {
      const program = `${path}/${NAME}/bin/${name}`;
      const { stdout } = await run(program, ["--version"], empty(path));
      assert.match(
        stdout,
        new RegExp(
          `^${name} ${manifest.version} \\(Deno .*, V8 .*, ${Deno.build.target}, compiled\\)\\n$`,
        ),
      );
      const { stdout: page } = await run(
        `${path}/${NAME}/bin/mpserv`,
        ["man", name],
        empty(path),
      );
      const published = `${path}/${NAME}/share/man/man1/${name}.1`;
      assert.equal(await Deno.readTextFile(published), page);
    }
    const models = Deno.build.os === "linux" ? ["spawn", "fork"] : ["spawn"];
    for (const model of models) await converse(path, model);
    if (made === undefined) await isTheSame(path);
    assert.deepEqual(filesBelow(`${path}/home`), [], "nothing was written");
  },
  { ignore },
);

test("release: refuses a runtime of another system, and a date that is none", async () => {
  const task = (args: string[], env: Record<string, string>) =>
    run(Deno.execPath(), ["task", "--quiet", "release", ...args], {
      cwd: ROOT,
      env,
    });
  const other = Deno.build.target.includes("darwin")
    ? "x86_64-unknown-linux-gnu"
    : "aarch64-apple-darwin";
  await using output = temporaryDirectory();
  const foreign = await task(
    ["--target", other, "--output", output.path],
    { DENORT_BIN: "/nowhere" },
  );
  assert.equal(foreign.code, 1);
  assert.match(foreign.stderr, /DENORT_BIN names a runtime of /);
  const date = await task([], { SOURCE_DATE_EPOCH: "today" });
  assert.equal(date.code, 1);
  assert.match(date.stderr, /^Cannot use the date "today": /m);
  const unknown = await task(["--target", "sparc"], {});
  assert.equal(unknown.code, 2);
  assert.match(
    unknown.stderr,
    /--target: Cannot use "sparc": expected one of x86_64-unknown-linux-gnu/,
  );
  assert.deepEqual(filesBelow(output.path), []);
});
