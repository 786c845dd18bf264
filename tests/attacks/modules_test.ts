/** Nothing of ours can be imported from a handler, and no global of its process leads to a function of ours. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ROLES } from "../../src/runtime/roles.ts";
import { handlerFile, isCompiled } from "../helpers/handler_file.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

const HANDLER = await handlerFile("handlers/importer.ts", import.meta.url);
const OURS = new URL("../../src/", import.meta.url).href;

/** Where the runtime shows what is in an executable. */
const EMBEDDED = "/tmp/deno-compile-mpserv";

/** The bundles in an executable, but for the one that starts it, which gives nothing (`bundles_test.ts`). */
function bundles(): string[] {
  const roles = Object.keys(ROLES).map((role) => role.slice(1));
  return [...roles, "serve", "client", "commands"]
    .map((name) => `${EMBEDDED}/roles/${name}.js`);
}

/** All modules that a process of ours may have loaded, but the public types. */
function modules(directory = fileURLToPath(OURS)): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) => {
    const path = `${directory}${name}`;
    if (isDirectory) return modules(`${path}/`);
    return name.endsWith(".ts") && path !== fileURLToPath(OURS) + "mod.ts"
      ? [path]
      : [];
  });
}

const quoted = (text: string) => JSON.stringify(text);
/** The directory of a module of ours. */
const PARENT = /\/[^/]+(?=\/[^/]+$)/;
const escaped = (directory: string) =>
  `/%${directory.charCodeAt(1).toString(16)}${directory.slice(2)}`;

/** Ways to name a module of ours; each an expression. */
const WAYS: Readonly<Record<string, (path: string) => string>> = {
  "a URL": (path) => `importer(${quoted(`file://${path}`)})`,
  "a path": (path) => `importer(${quoted(path)})`,
  "a query": (path) => `importer(${quoted(`file://${path}?x`)})`,
  "a host": (path) => `importer(${quoted(`file://localhost${path}`)})`,
  "a detour": (path) =>
    `importer(${quoted(`file://${path.replace(PARENT, "$&/..$&")}`)})`,
  // With --grant read that is another copy, which can open nothing.
  "an escape": (path) =>
    `importer(${
      quoted(`file://${path.replace(PARENT, escaped)}`)
    }).then((m) => m.cLibrary("getpid"))`,
  "a data: module": (path) =>
    `importer(${
      quoted(`data:text/javascript,export * from "file://${path}"`)
    })`,
  "a blob: module": (path) =>
    `importer(URL.createObjectURL(new Blob([${
      quoted(`export * from "file://${path}"`)
    }], { type: "text/javascript" })))`,
  "code that is made": (path) =>
    `new Function(${quoted(`return import("file://${path}")`)})()`,
  "eval": (path) => `(0, eval)(${quoted(`import("file://${path}")`)})`,
  "require": (path) => `require(${quoted(path)})`,
  "a worker": (path) =>
    `new Promise((found, refused) => {
       const text = ${
      quoted(
        `import("file://${path}").then((m) => postMessage(Object.keys(m)), (e) => postMessage(String(e)))`,
      )
    };
       const worker = new Worker("data:text/javascript," + encodeURIComponent(text), { type: "module" });
       worker.onerror = (event) => { event.preventDefault(); refused(event.message); };
       worker.onmessage = ({ data }) => {
         worker.terminate();
         Array.isArray(data) && data.length > 0 ? found({ data }) : refused(data);
       };
     })`.replaceAll("\n", " "),
};

/** Walks what can be reached from globals, and returns what looks like ours. */
const WALK = `(() => {
  const seen = new Set([globalThis]);
  const ours = {};
  for (const object of seen) try {
    for (const key of Reflect.ownKeys(object)) {
      let values;
      try {
        const found = Reflect.getOwnPropertyDescriptor(object, key);
        values = [found.value, found.get, found.set];
        if (found.get) values.push(Reflect.apply(found.get, object, []));
      } catch { continue; }
      for (const value of values) {
        if (value === null || !["object", "function"].includes(typeof value)) continue;
        if (typeof value === "function" && /\\b(libc|cLibrary)\\d*\\b/.test(Function.prototype.toString.call(value))) ours[String(key)] = 1;
        seen.add(value);
      }
    }
    const up = Reflect.getPrototypeOf(object);
    if (up) seen.add(up);
  } catch {}
  return ours;
})()`.replaceAll("\n", " ");

/** The result of each expression, tried in one process. */
async function attempts(
  server: TestServer,
  expressions: readonly string[],
): Promise<string[]> {
  using conn = await connect(server.port);
  const text = expressions.map((line) => `${line}\n`).join("");
  const answer = await exchange(conn, new TextEncoder().encode(text));
  return new TextDecoder().decode(answer).trimEnd().split("\n");
}

for (const model of models()) {
  for (const grant of ["", "read,write,env,run,net"]) {
    const granted = grant === "" ? "nothing" : "much";
    test(
      `attack (${model}): a handler that was granted ${granted} imports no module of ours`,
      async () => {
        const args = ["--handler", HANDLER];
        await using server = await startServer({
          model,
          args: grant === "" ? args : [...args, "--grant", grant],
        });
        const all = isCompiled ? bundles() : modules();
        const [libc] = all.filter((path) =>
          path.endsWith(isCompiled ? "/zygote.js" : "/posix/libc.ts")
        );
        // Each module by the plain way, and one by every way.
        const expressions = [
          ...all.map((path) => WAYS["a path"]!(path)),
          ...Object.values(WAYS).map((way) => way(libc!)),
          WALK,
        ];
        const said = await attempts(server, expressions);
        assert.equal(said.length, expressions.length, said.at(-1));
        const reached = expressions.filter((_, i) =>
          said[i]!.startsWith("REACHED")
        );
        assert.deepEqual(reached, []);
        assert.equal(said[expressions.length - 1], "nothing", said.at(-1));
        assert.match(
          said[0]!,
          isCompiled ? /^refused: .*Blocked by null entry/ : /^refused: /,
        );
      },
    );
  }
}
