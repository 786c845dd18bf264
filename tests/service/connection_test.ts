/** A handler's connection is a `Deno.TcpConn`: the same code gets the same of both. */
import assert from "node:assert/strict";
import { runHere } from "../helpers/run_here.ts";
import { handlerFile, isCompiled } from "../helpers/handler_file.ts";
import { ends, reasons, say, serveText } from "../helpers/handler_server.ts";
import { anyModel, models, startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { connect, send } from "../helpers/wire_client.ts";
import asConn from "./handlers/as_conn.ts";

const AS_CONN = await handlerFile("handlers/as_conn.ts", import.meta.url);
const SOCKET_OPTIONS = await handlerFile(
  "handlers/socket_options.ts",
  import.meta.url,
);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The handler's answer over a connection that Deno itself made. */
async function ofDeno(word: string): Promise<string> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const got = say(listener.addr.port, word);
  const conn = await listener.accept();
  try {
    await asConn(conn);
    conn.close();
  } catch (error) {
    await got;
    return (error as Error).message;
  }
  return await got;
}

/** A handler that does another odd thing with each connection. */
const ODD = `
  const bytes = () => new TextEncoder().encode("abcd");
  /** The chunks that a writable accepts: buffers and views of any kind. */
  const anyKind = async (conn) => {
    const writer = conn.writable.getWriter();
    await writer.write(bytes());
    await writer.write(bytes().buffer);
    await writer.write(new Uint16Array(bytes().buffer));
    await writer.write(new DataView(bytes().buffer, 1, 2));
    await writer.write(new Uint8Array(new SharedArrayBuffer(1)).fill(101));
    await writer.write("text");
  };
  const notBytes = async (conn) => {
    const buffer = new Uint8Array(1);
    await conn.read(buffer);
    const response = new Response("an answer");
    if (buffer[0] === 97) await conn.write(await response.arrayBuffer());
    if (buffer[0] === 98) conn.writeSync("text");
    if (buffer[0] === 99) await conn.read(new Uint16Array(1));
    if (buffer[0] === 100) conn.readSync(null);
  };
  /** Bytes that lie about their length are sent as they are. */
  class Liar extends Uint8Array {
    get length() { return 1 << 20; }
    get byteLength() { return 1 << 20; }
    subarray() { return this; }
  }
  const lie = async (conn) => {
    await conn.write(new Liar(3).fill(97));
    conn.writeSync(new Liar(3).fill(98));
    await conn.read(new Liar(3));
  };
  const alter = async (conn) => {
    const made = conn.constructor;
    await conn.read(new Uint8Array(5));
    await conn.write(new TextEncoder().encode("abc"));
    const lies = { bytesIn: 2 ** 53 - 1, bytesOut: -1, exceeded: "idle" };
    // In a pool another connection may have done the same before.
    for (const of of [conn, Object.getPrototypeOf(conn)]) {
      for (const name of ["finish", "close"]) of[name] = () => { throw 1; };
      for (const [name, value] of Object.entries(lies)) {
        Object.defineProperty(of, name, { get: () => value, configurable: true });
      }
    }
    try { Object.assign(conn, lies); } catch {}
    try {
      const forged = new made({ number: 2, close() {} }, { id: 1 }, {});
      forged.writeSync(new TextEncoder().encode("forged\\n"));
    } catch {}
  };
  const ways = [anyKind, ...Array(4).fill(notBytes), lie, alter, alter];
  export default async (conn) => await ways[conn.id - 1](conn);`;

for (const model of models()) {
  test(`connection (${model}): reads, writes and refuses what a Deno.TcpConn does, and behaves as one when it is closed`, async () => {
    await using server = await startServer({
      model,
      args: ["--handler", AS_CONN],
    });
    const word = "k".padEnd(1_000);
    assert.equal(await say(server.port, word), await ofDeno(word));

    using conn = await connect(server.port); // sends no end, so that a read waits
    await send(conn, new TextEncoder().encode("c"));
    const { reason } = await server.endOf(conn);
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using other = await connect(listener.addr.port);
    await send(other, new TextEncoder().encode("c"));
    const deno = await asConn(await listener.accept()).catch((error) => error);
    assert.ok(
      String(reason).startsWith(`error: Error: ${deno.message} at `),
      `${reason}\n${deno.message}`,
    );
  });

  test(`connection (${model}): takes bytes of any kind and nothing else, and nothing that its handler does alters its counts or its end`, async () => {
    await using serving = await serveText(model, ODD);
    const { server } = serving;
    assert.equal(await say(server.port, ""), "abcdabcdabcdbce");
    assert.match(
      (await reasons(server, 1))[0]!,
      /^error: TypeError: Cannot write a string: give the stream an ArrayBuffer/,
    );

    const refused = {
      "a": "Cannot write an ArrayBuffer",
      "b": "Cannot write a string",
      "c": "Cannot read into a Uint16Array",
      "d": "Cannot read into null",
    };
    for (const word of Object.keys(refused)) await say(server.port, word);
    const told = (await reasons(server, 5)).slice(1);
    for (const [i, what] of Object.values(refused).entries()) {
      assert.ok(
        told[i]!.startsWith(
          `error: TypeError: ${what}: give the connection a Uint8Array at `,
        ),
        told[i],
      );
    }

    assert.equal(await say(server.port, "more than three"), "aaabbb");
    for (let i = 0; i < 2; i++) {
      assert.equal(await say(server.port, "hello"), "abc");
    }
    const [liar, ...altered] = (await ends(server, 8)).slice(5);
    assert.deepEqual([liar!.in, liar!.out, liar!.reason], [15, 6, "closed"]);
    for (const line of altered) {
      assert.deepEqual([line.in, line.out, line.reason], [5, 3, "closed"]);
    }
    assert.deepEqual(server.log.others, [], "no connection can be forged");
  });
}

test(
  "connection: handlers with Deno's own types pass `deno check`",
  async () => {
    await using directory = temporaryDirectory();
    const types = new URL("../../src/mod.ts", import.meta.url).href;
    const file = `${directory.path}/typed.ts`;
    Deno.writeTextFileSync(
      file,
      `import type { Connection, ConnectionAddress, Service } from "${types}";
      export const tcp: Service = async (conn: Deno.TcpConn): Promise<void> => {
        conn.setNoDelay(true);
        conn.setKeepAlive();
        conn.ref();
        conn.unref();
        const host: string = conn.remoteAddr.hostname;
        await conn.write(new TextEncoder().encode(host));
      };
      export const any: Service = async (conn: Deno.Conn) => {
        await conn.readable.pipeTo(conn.writable);
      };
      export const net: Service = ({ localAddr }: Deno.Conn<Deno.NetAddr>) => void localAddr.port;
      export const unix: Service<Deno.UnixAddr> = (conn: Deno.UnixConn) => void conn.remoteAddr.path;
      export const own: Service = async (conn: Connection) => {
        const bytes: Uint8Array = new Uint8Array(5);
        await conn.read(bytes);
        conn.writeSync(bytes);
        const plain: Deno.TcpConn = conn;
        return plain.closeWrite();
      };
      export const both: Service = (conn: Connection<ConnectionAddress>) => conn.closeWrite();
      export const thenable: Service = () => ({ then: (ok) => ok!(1) as never });
      export const piped: Service = ({ readable, writable }) => readable.pipeTo(writable);
      // @ts-expect-error a generator's body would never run
      export const generator: Service = function* () {};
      `,
    );
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--no-config", file],
      env: { NO_COLOR: "1" },
    }).output();
    assert.equal(code, 0, decode(stderr));
  },
  { ignore: isCompiled },
);

for (const model of anyModel()) {
  test(
    `--no-delay (${model}): is what connections begin with, and what a handler can change`,
    async () => {
      for (const [args, begin] of [[[], 0], [["--no-delay"], 1]] as const) {
        await using server = await startServer({
          model,
          args: ["--handler", SOCKET_OPTIONS, "--grant", "ffi", ...args],
        });
        const found = JSON.parse(await say(server.port, ""));
        assert.deepEqual(found, [[begin, 0], [1, 1], [0, 0], [1, 1]]);
      }
    },
    { ignore: Deno.build.os !== "linux" },
  );
}

test("--no-delay: with a Unix domain socket is wrong usage", async () => {
  const args = ["serve", "--unix", "/tmp/x.sock", "--no-delay"];
  const { code, stderr } = await runHere(args);
  assert.match(
    stderr,
    /^error: Cannot use both --no-delay and --unix[^\n]+\n$/,
  );
  assert.equal(code, 2);
});
