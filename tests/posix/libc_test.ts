import assert from "node:assert/strict";
import { test } from "../helpers/testing.ts";

const ROOT = new URL("../../", import.meta.url);
/** Has a process say which functions it opens. */
const WATCHED = `const { dlopen } = Deno;
Deno.dlopen = (path, symbols) => {
  const names = Object.keys(symbols).map((name) => name + " ").join("");
  Deno.stdout.writeSync(new TextEncoder().encode(names));
  return dlopen(path, symbols);
};`;

/** The functions that a program opens. */
async function openedBy(...words: string[]): Promise<string[]> {
  const preload = `data:text/javascript,${encodeURIComponent(WATCHED)}`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--preload", preload, ...words],
    cwd: ROOT,
    stdin: "null",
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout).trim().split(" ");
}

test("C library: the client opens the functions that it calls, each once, and none of those that stand beside them", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close(); // nobody is there
  const names = await openedBy("main.ts", "client", "127.0.0.1", `${port}`);
  assert.ok(names.includes("socketpair"), names.join());
  assert.deepEqual(names, [...new Set(names)]);
  const ofServers = ["accept", "accept4", "bind", "listen", "kill", "umask"];
  assert.deepEqual(names.filter((name) => ofServers.includes(name)), []);
});

test("C library: the writer, which gives up the permission to open functions, has those that it calls before", async () => {
  const names = await openedBy("src/client/writer_role.ts", "99");
  for (const name of ["close", "read", "write", "shutdown", "strerror_r"]) {
    assert.ok(names.includes(name), name);
  }
});
