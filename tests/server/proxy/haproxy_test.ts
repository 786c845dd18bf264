import assert from "node:assert/strict";
import { handlerFile } from "../../helpers/handler_file.ts";
import { startServer } from "../../helpers/server.ts";
import { temporaryDirectory, test, until } from "../../helpers/testing.ts";
import { missing } from "../../helpers/tools.ts";
import { connect, exchange, freePort } from "../../helpers/wire_client.ts";

const WHO = await handlerFile("./handlers/who.ts", import.meta.url);

/** Ways in which a real HAProxy announces its clients. */
const WAYS = [
  "send-proxy",
  "send-proxy-v2",
  "send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id,authority",
];

/** A HAProxy in front of a server. */
async function startHaproxy(
  directory: string,
  { port, front, options }: { port: number; front: number; options: string },
): Promise<AsyncDisposable> {
  const file = `${directory}/haproxy.cfg`;
  await Deno.writeTextFile(
    file,
    `defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen test
  bind :::${front} v4v6
  unique-id-format %ci-%cp
  server mpserv 127.0.0.1:${port} ${options}
`,
  );
  const process = new Deno.Command("haproxy", {
    args: ["-db", "-f", file],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await until(
    "HAProxy listens",
    () => connect(front).then((conn) => (conn.close(), true), () => false),
  );
  return {
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.status;
    },
  };
}

for (const options of WAYS) {
  test(
    `--proxy-protocol: a real HAProxy with ${options} says who its clients are`,
    async () => {
      await using directory = temporaryDirectory();
      await using server = await startServer({
        args: ["--proxy-protocol", "127.0.0.1", "--handler", WHO],
      });
      const front = freePort();
      await using _haproxy = await startHaproxy(directory.path, {
        port: server.port,
        front,
        options,
      });
      // To HAProxy the IPv4 client is ::ffff:127.0.0.1, and that is what it sends.
      for (const hostname of ["127.0.0.1", "::1"]) {
        using conn = await connect(front, hostname);
        const { port } = conn.localAddr as Deno.NetAddr;
        const bytes = new TextEncoder().encode("x".repeat(100_000));
        const received = new TextDecoder().decode(await exchange(conn, bytes));
        const [line, rest] = received.split("\n");
        assert.deepEqual(JSON.parse(line!), {
          transport: "tcp",
          hostname,
          port,
        });
        assert.equal(rest, "x".repeat(100_000));
      }
    },
    { ignore: missing("HAProxy in front", "haproxy") },
  );
}
