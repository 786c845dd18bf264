import assert from "node:assert/strict";
import { runHere } from "../helpers/run_here.ts";
import { models, startServer } from "../helpers/server.ts";
import {
  randomBytes,
  sameBytes,
  temporaryDirectory,
  test,
} from "../helpers/testing.ts";
import { receiveAll, send } from "../helpers/wire_client.ts";

/** The kind of file at a path. */
function kindOf(path: string): "nothing" | "socket" | "other" {
  try {
    return Deno.lstatSync(path).isSocket ? "socket" : "other";
  } catch {
    return "nothing";
  }
}

/** Whether the server at a path echoes. */
async function echoes(path: string): Promise<boolean> {
  using conn = await Deno.connect({ transport: "unix", path });
  const bytes = randomBytes(100_000);
  const sending = send(conn, bytes).then(() => conn.closeWrite());
  const received = await receiveAll(conn);
  await sending;
  return sameBytes(received, bytes);
}

for (const model of models().filter((name) => name !== "pool")) {
  test(`--unix (${model}): serves, and removes its socket file at the end`, async () => {
    await using directory = temporaryDirectory();
    const path = `${directory.path}/echo.sock`;
    await using server = await startServer({
      model,
      port: null,
      args: ["--unix", path],
    });
    assert.equal(kindOf(path), "socket");
    assert.ok(await echoes(path));
    const { peer } = await server.log.waitFor("new client connected...");
    assert.equal(peer, "unix");
    assert.equal((await server.stop()).code, 0);
    assert.equal(kindOf(path), "nothing");
  });
}

test("--unix: the path of a socket whose server died is taken over", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/echo.sock`;
  const args = ["--unix", path];
  {
    await using dead = await startServer({ port: null, args });
    await dead.stop("SIGKILL");
  }
  assert.equal(kindOf(path), "socket");
  await using server = await startServer({ port: null, args });
  assert.ok(await echoes(path));
  await server.stop();
});

test("--unix: a live server's path is refused, and the server goes on", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/echo.sock`;
  await using server = await startServer({
    port: null,
    args: ["--unix", path],
  });
  const { code, stderr } = await runHere(["serve", "--unix", path]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^error: Cannot listen on ".*echo\.sock": .*EADDRINUSE[^\n]+\n$/,
  );
  assert.ok(await echoes(path));
  await server.stop();
});

for (const kind of ["file", "directory", "link"] as const) {
  test(`--unix: another's ${kind} at the path is refused and stays`, async () => {
    await using directory = temporaryDirectory();
    const path = `${directory.path}/precious`;
    if (kind === "file") await Deno.writeTextFile(path, "precious");
    if (kind === "directory") await Deno.mkdir(path);
    if (kind === "link") await Deno.symlink("/nowhere", path);
    const { code, stderr } = await runHere(["serve", "--unix", path]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: Cannot listen on ".*precious": the file is not a socket: [^\n]+\n$/,
    );
    assert.equal(kindOf(path), "other");
    if (kind === "file") {
      assert.equal(await Deno.readTextFile(path), "precious");
    }
  });
}

test("--unix: a file that took the socket's place is not removed at the end", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/echo.sock`;
  await using server = await startServer({
    port: null,
    args: ["--unix", path],
  });
  await Deno.remove(path);
  await Deno.writeTextFile(path, "precious");
  assert.equal((await server.stop()).code, 0);
  assert.equal(await Deno.readTextFile(path), "precious");
});

test("--unix: a path that is too long is refused", async () => {
  await using directory = temporaryDirectory();
  const path = `${directory.path}/${"x".repeat(120)}`;
  const { code, stderr } = await runHere(["serve", "--unix", path]);
  assert.equal(code, 1);
  assert.match(stderr, /^error: Cannot listen on "[^\n]+\n$/);
});
