/** Handlers that replace whatever the runtime has: our code beside them calls nothing of it. */
import assert from "node:assert/strict";
import { ends, say, serveText } from "../helpers/handler_server.ts";
import { notRewound } from "../helpers/models.ts";
import { models } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { connect, receive, receiveAll, send } from "../helpers/wire_client.ts";

const read = (name: string) =>
  Deno.readTextFileSync(new URL(`handlers/${name}`, import.meta.url));
const POISON = read("poison.mjs");

const STREAMS = "its streams";
const THROWING = "an error";
const WAITING = "a read that waits";

/** The actions of the handler; it reads which one to do. */
const WAYS = {
  "readSync and writeSync": `(connection) => {
    begin();
    const count = connection.readSync(room);
    connection.writeSync(encode(count + " " + tell()));
  }`,
  "closing by itself": `(connection) => {
    begin();
    const count = connection.readSync(room);
    connection.writeSync(encode(count + " " + tell()));
    connection.close();
  }`,
  "an async function": `async (connection) => {
    begin();
    const count = connection.readSync(room);
    connection.writeSync(encode(count + " " + tell()));
  }`,
  "its addresses": `(connection) => {
    begin();
    const count = connection.readSync(room);
    connection.remoteAddr;
    connection.localAddr;
    connection.setNoDelay();
    connection.writeSync(encode(count + " " + tell()));
  }`,
  "read and write": `(connection) => (begin(), {
    then(resolve) {
      follow(connection.read(room), (count) =>
        follow(connection.write(encode(count + " " + tell())), () => resolve()));
    },
  })`,
  [STREAMS]: `(connection) => (begin(), {
    then(resolve) {
      const { readable, writable } = connection;
      follow(readFrom(readerOf(readable)), ({ value }) =>
        follow(writeTo(writerOf(writable), encode(lengthOf(value) + " " + tell())), () => resolve()));
    },
  })`,
  [WAITING]: `(connection) => (begin(), {
    then(resolve) {
      const reading = connection.read(room);
      connection.writeSync(go); // the client says nothing before
      follow(reading, (count) => (connection.writeSync(encode(count + " " + tell())), resolve()));
    },
  })`,
  [THROWING]: `(connection) => {
    begin();
    connection.readSync(room);
    throw "on purpose";
  }`,
};
const HANDLER = `const ways = [${Object.values(WAYS).join()}];
export default (connection) => (connection.readSync(byte), ways[byte[0]](connection));`;

/** The answer for a client that sends an action and then a word, if it waits only when the handler asks for it. */
async function answer(port: number, way: string): Promise<string> {
  using conn = await connect(port);
  await send(conn, new Uint8Array([Object.keys(WAYS).indexOf(way)]));
  if (way === WAITING) await receive(conn, "go ".length);
  await send(conn, new TextEncoder().encode("hello"));
  await conn.closeWrite();
  return new TextDecoder().decode(await receiveAll(conn));
}

for (const model of models()) {
  for (
    const [isEarly, isWhole] of [[false, true], [true, true], [true, false]]
  ) {
    // In a pool alone, what a handler has done meets the next connection.
    if (!isEarly && model !== "pool") continue;
    const what = isWhole
      ? "replaced all that there is"
      : "added to what all objects inherit";
    test(
      `poison (${model}): a module that ${what} ${
        isEarly ? "at its top" : "in its handler"
      } gets none of our calls, whatever the handler does, and is counted as any other`,
      async () => {
        await using served = await serveText(
          model,
          `const isEarly = ${isEarly}, isWhole = ${isWhole};\n${POISON}\n${HANDLER}`,
          // One that is put back meets nothing of what a handler did before.
          isEarly && isWhole ? [] : notRewound(model),
        );
        let id = 0;
        for (const [at, way] of Object.keys(WAYS).entries()) {
          // Where each connection costs a runtime, a few are enough for the rest.
          if (model === "spawn" && !isWhole && at % 3 > 0) continue;
          // Their results are objects: whoever gives all of these a "then" gets none. Deno 2.7's call what was replaced.
          const isOld = Deno.version.deno.startsWith("2.7.");
          if (way === STREAMS && (!isWhole || isOld)) continue;
          const rounds = model === "pool" ? 2 : 1; // elsewhere each connection has a module of its own
          for (let round = 0; round < rounds; round++) {
            const [reason, told, out] = way === THROWING
              ? ["error: on purpose", "", 0]
              : ["closed", "5 ", way === WAITING ? 5 : 2];
            assert.equal(await answer(served.server.port, way), told, way);
            const lines = await ends(served.server, ++id);
            const line = lines.at(-1)!;
            assert.deepEqual(
              [line.reason, line.in, line.out],
              [reason, 6, out],
              way,
            );
          }
        }
      },
    );
  }

  test(
    `reach (${model}): from its connection, and what it throws, a handler gets at none of our functions that call the system`,
    async () => {
      await using served = await serveText(model, read("within_reach.mjs"));
      await say(served.server.port, "hello");
      const [end] = await ends(served.server, 1);
      assert.equal(end!.reason, "closed");
      await served.server.stop();
      await served.server.log.ended;
      assert.deepEqual(served.server.log.others, ["found: "]);
    },
  );

  test(
    `poison (${model}): a handler has the runtime as its module has made it`,
    async () => {
      await using served = await serveText(
        model,
        `const { map } = Array.prototype;
         Array.prototype.map = function (...args) { return [...map.apply(this, args), "more"]; };
         Object.defineProperty(Object.prototype, "all", { get() { return Object.keys(this); }, configurable: true });
         delete String.prototype.at;
         Object.setPrototypeOf(Map.prototype, { isMine: true });
         export default (connection) => {
           const found = [["a"].map(String), ({ b: 1 }).all, "at" in String.prototype, new Map().isMine];
           connection.writeSync(new TextEncoder().encode(String(found)));
         };`,
      );
      const { port } = served.server;
      for (let id = 1; id <= 2; id++) {
        assert.equal(await say(port, ""), "a,more,b,false,true");
      }
    },
  );
}
