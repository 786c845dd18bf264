/** How handlers end: what they return, throw, leave pending, or see to themselves. */
import assert from "node:assert/strict";
import { reasons, say, serveText } from "../helpers/handler_server.ts";
import { models } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect } from "../helpers/wire_client.ts";

for (const model of models()) {
  test(`handler (${model}): whatever it returns that has a method \`then\` is awaited`, async () => {
    await using serving = await serveText(
      model,
      `const later = (conn) => ({
        then(resolve) {
          setTimeout(() => {
            conn.writeSync(new TextEncoder().encode("later"));
            resolve();
          }, 5);
        },
      });
      const failing = { then: (_, reject) => setTimeout(reject, 5, new RangeError("in vain")) };
      export default (conn) => conn.id === 1 ? later(conn) : failing;`,
    );
    const { server } = serving;
    assert.equal(await say(server.port, ""), "later");
    assert.equal(await say(server.port, ""), "");
    const [first, second] = await reasons(server, 2);
    assert.equal(first, "closed");
    assert.match(second!, /^error: RangeError: in vain/);
  });

  test(`handler (${model}): to throw null is an error, too`, async () => {
    await using serving = await serveText(
      model,
      `export default (conn) => {
        if (conn.id === 1) throw null;
        if (conn.id === 2) return Promise.reject(null);
        if (conn.id === 3) throw undefined;
        if (conn.id === 4) return Promise.reject();
        if (conn.id === 5) setTimeout(() => { throw null; });
        if (conn.id === 6) Promise.reject(undefined);
        return new Promise(() => {});
      };`,
    );
    const { server } = serving;
    for (let id = 1; id <= 6; id++) await say(server.port, "");
    assert.deepEqual(await reasons(server, 6), [
      "error: null",
      "error: null",
      "error: undefined",
      "error: undefined",
      "error: null",
      "error: undefined",
    ]);
  });

  test(`handler (${model}): one that returns while it reads or writes is warned about, once`, async () => {
    for (
      const body of [
        "{ conn.readable.pipeTo(conn.writable); }",
        "{ conn.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextEncoderStream()).pipeTo(conn.writable); }",
        "{ (async () => { for await (const chunk of conn.readable) await conn.write(chunk); })(); }",
        "{ conn.read(new Uint8Array(1)); }",
        "{ conn.write(new Uint8Array(64 << 20)); }",
      ]
    ) {
      for (const begin of ["(conn) => ", "async (conn) => "]) {
        await using serving = await serveText(
          model,
          `export default ${begin}${body}`,
        );
        const { server, file } = serving;
        for (let i = 0; i < 2; i++) {
          using conn = await connect(server.port);
          await server.log.waitForCount("client disconnected...", i + 1);
          void conn;
        }
        const warnings = server.log.where(/return or await it/);
        assert.equal(warnings.length, 1, `${begin}${body}`);
        assert.equal(warnings[0]!.level, "WARN");
        assert.ok(warnings[0]!.message.includes(`"${file}"`));
      }
    }
  });

  test(`handler (${model}): one that is done, or gives up on purpose, is not warned about`, async () => {
    for (
      const body of [
        "await conn.readable.pipeTo(conn.writable);",
        "await conn.readable.getReader().read();",
        'await conn.writable.getWriter().write(new TextEncoder().encode("hello"));',
        "for await (const chunk of conn.readable) { await conn.write(chunk); break; }",
        "conn.read(new Uint8Array(9)).catch(() => {}); conn.close();",
        "conn.unref(); conn.read(new Uint8Array(9)).catch(() => {});",
        "conn.write(new TextEncoder().encode('hello'));",
      ]
    ) {
      await using serving = await serveText(
        model,
        `export default async (conn) => { ${body} };`,
      );
      const { server } = serving;
      await say(server.port, "hello");
      const { reason } = await server.log.waitFor("client disconnected...");
      assert.equal(reason, "closed", body);
      assert.equal(server.log.where(/return or await/).length, 0, body);
    }
  });

  for (const how of ["preventDefault()", "process.on()"]) {
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

  test(`handler (${model}): an error that its listener only looks at ends its connection`, async () => {
    await using serving = await serveText(
      model,
      `export default async (conn) => {
        addEventListener("unhandledrejection", ({ reason, type }) => {
          conn.writeSync(new TextEncoder().encode(type + " " + reason.message));
        });
        Promise.reject(new Error("looked at"));
        await new Promise(() => {});
      };`,
    );
    const { server } = serving;
    assert.equal(await say(server.port, ""), "unhandledrejection looked at");
    assert.match((await reasons(server, 1))[0]!, /^error: Error: looked at /);
  });
}
