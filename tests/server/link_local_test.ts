import assert from "node:assert/strict";
import type { MovingConnection } from "../../src/control/ask.ts";
import { runClient } from "../client/test_client.ts";
import { controlled, controlPath, json } from "../control/helpers.ts";
import { handlerFile } from "../helpers/handler_file.ts";
import { models, startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { roundTrip } from "../helpers/wire_client.ts";

const found = Deno.networkInterfaces().find(({ address }) =>
  address.startsWith("fe80:")
);
const host = found && `${found.address}%${found.name}`;
const needs = { ignore: host === undefined };
if (host === undefined) {
  const line = "SKIPPED: link-local addresses: no interface has one\n";
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}

for (const model of models()) {
  test(
    `link-local (${model}): the zone is in the log, in connect=, and in the handler's addresses`,
    async () => {
      await using server = await startServer({
        model,
        args: [
          "--host",
          host!,
          "--handler",
          await handlerFile("handlers/addresses.ts", import.meta.url),
        ],
      });
      const { address, connect } = await server.log.waitFor(/^listening/);
      assert.equal(address, `[${host}]:${server.port}`);
      assert.equal(connect, `mpserv client ${host} ${server.port}`);
      const [, , ...target] = String(connect).split(" ");
      const { stdout } = await runClient([...target, "--raw"]);
      const { local, remote } = JSON.parse(stdout);
      assert.deepEqual(local, {
        transport: "tcp",
        hostname: host,
        port: server.port,
      });
      assert.equal(remote.hostname, host);
      const { peer } = await server.log.waitFor(/^new client connected/);
      assert.equal(peer, `[${host}]:${remote.port}`);
    },
    needs,
  );

  if (model === "pool") continue; // serves no programs
  test(
    `link-local (${model}): the zone is in a program's variables, and connections finds what moves`,
    async () => {
      await using server = await startServer({
        model,
        args: [
          "--host",
          "::",
          "--",
          "sh",
          "-c",
          'read line; echo "$TCPREMOTEIP $REMOTE_ADDR $TCPLOCALIP"; cat',
        ],
      });
      using conn = await Deno.connect({ hostname: host!, port: server.port });
      await conn.write(new TextEncoder().encode("\n"));
      const bytes = new Uint8Array(1024);
      const count = (await conn.read(bytes))!;
      assert.equal(
        new TextDecoder().decode(bytes.subarray(0, count)),
        `${host} ${host} ${host}\n`,
      );
      await roundTrip(conn);
      const path = await controlled(controlPath(server));
      const [row] = await json<MovingConnection[]>(["connections", path]);
      assert.equal(row?.peer.startsWith(`[${host}]:`), true);
      assert.ok(row?.in !== null, "the kernel's counts are found");
    },
    needs,
  );
}
