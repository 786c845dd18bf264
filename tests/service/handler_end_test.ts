/** How handlers end: what they return, throw, leave pending, or see to themselves. */
import assert from "node:assert/strict";
import { isCompiled } from "../helpers/handler_file.ts";
import { ends, reasons, say, serveText } from "../helpers/handler_server.ts";
import { models } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect } from "../helpers/wire_client.ts";

/** Bodies of handlers, each for one connection, and how it is logged to end. */
const ENDS: readonly (readonly [body: string, said: string, how: RegExp])[] = [
  // Whatever it returns that has a method `then` is awaited.
  [
    `return {
      then(resolve) {
        setTimeout(() => {
          conn.writeSync(new TextEncoder().encode("later"));
          resolve();
        }, 5);
      },
    };`,
    "later",
    /^closed$/,
  ],
  [
    'return { then: (_, reject) => setTimeout(reject, 5, new RangeError("in vain")) };',
    "",
    /^error: RangeError: in vain/,
  ],
  // To throw null is an error, too.
  ["throw null;", "", /^error: null$/],
  ["return Promise.reject(null);", "", /^error: null$/],
  ["throw undefined;", "", /^error: undefined$/],
  ["return Promise.reject();", "", /^error: undefined$/],
  [
    "setTimeout(() => { throw null; }); return new Promise(() => {});",
    "",
    /^error: null$/,
  ],
  [
    "Promise.reject(undefined); return new Promise(() => {});",
    "",
    /^error: undefined$/,
  ],
  [
    `addEventListener("unhandledrejection", ({ reason, type }) => {
      conn.writeSync(new TextEncoder().encode(type + " " + reason.message));
    }, { once: true });
    Promise.reject(new Error("looked at"));
    return new Promise(() => {});`,
    "unhandledrejection looked at",
    /^error: Error: looked at /,
  ],
];

/** Bodies of handlers that are done, or give up on purpose: none is warned about. */
const DONE: readonly string[] = [
  "await conn.readable.pipeTo(conn.writable);",
  "await conn.readable.getReader().read();",
  'await conn.writable.getWriter().write(new TextEncoder().encode("hello"));',
  "for await (const chunk of conn.readable) { await conn.write(chunk); break; }",
  "conn.read(new Uint8Array(9)).catch(() => {}); conn.close();",
  "conn.unref(); conn.read(new Uint8Array(9)).catch(() => {});",
  "conn.write(new TextEncoder().encode('hello'));",
];

/** A handler that serves its first connections as the bodies say, and the others as the last. */
const handlerOf = (bodies: readonly string[]) =>
  `const ways = [${bodies.join(",\n")}];
  export default (conn) => ways[Math.min(conn.id, ways.length) - 1](conn);`;

for (const model of models()) {
  // Where each connection costs a runtime, a few ways are enough.
  const few = (_: unknown, at: number) => model !== "spawn" || at % 3 === 0;
  const ENDINGS = ENDS.filter(few), DOINGS = DONE.filter(few);
  test(`handler (${model}): what it returns or throws is how its connection ends, and who has not finished is warned about, once`, async () => {
    await using serving = await serveText(
      model,
      handlerOf([
        ...ENDINGS.map(([body]) => `(conn) => { ${body} }`),
        ...DOINGS.map((body) => `async (conn) => { ${body} }`),
        // Which other ways there are, `serveOne` is asked: tests/child/serve_one_test.ts.
        "(conn) => { conn.readable.pipeTo(conn.writable); }",
      ]),
    );
    const { server, file } = serving;
    for (const [body, said] of ENDINGS) {
      assert.equal(await say(server.port, ""), said, body);
    }
    for (
      const [at, reason] of (await reasons(server, ENDINGS.length)).entries()
    ) {
      const [body, , how] = ENDINGS[at]!;
      assert.match(reason, how, body);
    }

    for (const _ of DOINGS) await say(server.port, "hello");
    const done = await reasons(server, ENDINGS.length + DOINGS.length);
    for (const [at, reason] of done.slice(ENDINGS.length).entries()) {
      assert.equal(reason, "closed", DOINGS[at]);
    }
    const warnings = () => server.log.where(/return or await the promise/);
    assert.equal(warnings().length, 0);

    for (let i = 1; i <= 2; i++) {
      using _conn = await connect(server.port);
      await ends(server, ENDINGS.length + DOINGS.length + i);
    }
    assert.equal(warnings().length, 1);
    assert.equal(warnings()[0]!.level, "WARN");
    assert.ok(warnings()[0]!.message.includes(`"${file}"`));
  });

  // The runtime parses TypeScript once more for the place of an error, which is about conditions and what they hold.
  test(
    `handler (${model}): an error in TypeScript that no cache has is told with its place`,
    async () => {
      await using serving = await serveText(
        model,
        `// ${crypto.randomUUID()}
        interface Way { readonly isWrong: boolean }
        const way: Way = { isWrong: true };
        export default (_: Deno.Conn): void => {
          if (way.isWrong) throw new Error("its own");
        };`,
        [],
        {},
        "ts",
      );
      const { server } = serving;
      for (let i = 1; i <= 2; i++) await say(server.port, "");
      for (const reason of await reasons(server, 2)) {
        assert.match(reason, /^error: Error: its own at .*handler\.ts:5:34$/);
      }
    },
    { ignore: isCompiled },
  );

  // A pool loads modules as `fork` does.
  const ways = model === "fork"
    ? ["preventDefault()", "process.on()"]
    : [model === "spawn" ? "preventDefault()" : "process.on()"];
  for (const how of ways) {
    for (const where of ["at the top", "in the handler"]) {
      const listeners = how === "process.on()"
        ? `process.on("unhandledRejection", (why) => seen("rejection", why));
           process.on("uncaughtException", (why) => seen("exception", why));`
        : `addEventListener("unhandledrejection", (event) => {
             event.preventDefault();
             seen("rejection", event.reason);
           });
           addEventListener("error", (event) => {
             event.preventDefault();
             seen("exception", event.error);
           });`;
      test(`handler (${model}): errors that its own listener has seen to (${how}, ${where}) end nothing`, async () => {
        await using serving = await serveText(
          model,
          `import process from "node:process";
          let conn;
          let left = 2;
          const all = Promise.withResolvers();
          const seen = (what, { message }) => {
            conn.writeSync(new TextEncoder().encode(what + " " + message + "\\n"));
            if (--left === 0) all.resolve();
          };
          const listen = () => { ${listeners} };
          ${where === "at the top" ? "listen();" : ""}
          export default async (connection) => {
            conn = connection;
            ${where === "at the top" ? "" : "listen();"}
            Promise.reject(new Error("one"));
            setTimeout(() => { throw new Error("two"); }, 5);
            await all.promise;
          };`,
          ["--sandbox", "default"],
        );
        const { server } = serving;
        const seen = (await say(server.port, "")).trim().split("\n").sort();
        assert.deepEqual(seen, ["exception two", "rejection one"]);
        assert.deepEqual(await reasons(server, 1), ["closed"]);
      });
    }
  }
}
