/**
 * The children of a zygote whose service is ours have no event loop and no random numbers of their own: they
 * need none. A service that wants one all the same is told, and is no process that shares its zygote's.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ZYGOTE_V8_FLAGS } from "../../src/runtime/roles.ts";
import { isCompiled } from "../helpers/handler_file.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect, receiveAll, send } from "../helpers/wire_client.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Words before a command line, `deno run … MAIN serve …`: they run the copy of the program in a directory. */
const THERE =
  'there=$1 deno=$2; while [ "$1" != serve ]; do shift; done; exec "$deno" run --quiet -A "$there/main.ts" "$@"';

/** The actions of the service; a client sends an index. */
const WAITS = [
  "new Promise((resolve) => setTimeout(resolve, 1))",
  "connection.read(new Uint8Array(1))",
];
const DRAWS = [
  "Math.random()",
  "crypto.randomUUID()",
  "crypto.getRandomValues(new Uint8Array(4))",
];
const SERVICE = `export function daytime(connection) {
  const which = new Uint8Array(1);
  connection.readSync(which);
  const tell = (what) => connection.writeSync(new TextEncoder().encode(what));
  switch (which[0]) {
    ${WAITS.map((it, i) => `case ${i}: return ${it};`).join("\n")}
    ${DRAWS.map((it, i) => `case ${10 + i}: return void tell(${it});`).join("")}
    default: tell("well");
  }
}`;

/** Where a copy of this program is that has this service in the place of a built-in one; made once, it is compiled once. */
let copied = "";

/** Starts that copy. */
async function startCopy(model: string): Promise<TestServer> {
  if (copied === "") {
    copied = Deno.makeTempDirSync({ prefix: "mpserv-test-" });
    addEventListener("unload", () => {
      Deno.removeSync(copied, { recursive: true });
    });
    await new Deno.Command("cp", {
      args: ["-r", "main.ts", "src", "deno.json", "deno.lock", copied],
      cwd: ROOT,
    }).output();
    await Deno.writeTextFile(`${copied}/src/service/classic.ts`, SERVICE);
  }
  return await startServer({
    model,
    args: ["--service", "daytime"],
    through: ["/bin/sh", "-c", THERE, "sh", copied],
  });
}

/** The client's bytes, and the log line of its end. */
async function visit(server: TestServer, which: number) {
  using conn = await connect(server.port);
  await send(conn, new Uint8Array([which]));
  const bytes = await receiveAll(conn).catch(() => new Uint8Array());
  const { reason } = await server.endOf(conn);
  return { text: new TextDecoder().decode(bytes), reason: String(reason) };
}

for (const model of models()) {
  test(
    `synchronous (${model}): a service of ours that waits for something, or draws a random number that another might get, ends its process, which says why`,
    async () => {
      await using server = await startCopy(model);
      const WHY =
        /^error: Process \d+ ended: TypeError: .* waits for something/;
      for (const [which, what] of WAITS.entries()) {
        const { text, reason } = await visit(server, which);
        assert.equal(text, "", what);
        assert.equal(reason, "killed: exit code 1", what);
        const said = server.log.others.filter((line) => WHY.test(line));
        assert.equal(said.length, which + 1, what);
      }
      // Each process of spawn has generators of its own.
      for (const [which, what] of model === "spawn" ? [] : DRAWS.entries()) {
        const { text, reason } = await visit(server, 10 + which);
        assert.equal(text, "", what);
        assert.match(reason, /Cannot draw a random number/, what);
      }
      const { text } = await visit(server, 255);
      assert.equal(text, "well");
    },
    { ignore: isCompiled },
  );
}

test(
  "synchronous: a forked process that comes to the event loop all the same ends, and says why",
  async () => {
    const source = (path: string) =>
      new URL(`../../src/${path}`, import.meta.url);
    const code = `
    import { beReborn, ForkPreparation } from "${source("zygote/birth.ts")}";
    import { decodeStatus, exitNow, fork, waitFor } from "${
      source("posix/forking.ts")
    }";
    const rebirth = new ForkPreparation(false).finish([]);
    const pid = fork();
    if (pid > 0) exitNow(decodeStatus(waitFor(pid)).code);
    beReborn(rebirth);
    await new Promise((resolve) => setTimeout(resolve, 60_000));`;
    const { code: exit, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--quiet", `--v8-flags=${ZYGOTE_V8_FLAGS}`, code],
    }).output();
    const said = new TextDecoder().decode(stderr);
    assert.match(said, /^error: Process \d+ ended: TypeError: .*event loop/);
    assert.equal(exit, 1);
  },
  { ignore: isCompiled || Deno.build.os !== "linux" },
);
