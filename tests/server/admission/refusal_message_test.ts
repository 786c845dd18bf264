import assert from "node:assert/strict";
import type { Fd } from "../../../src/posix/fd.ts";
import { findListener } from "../../../src/posix/net/runtime_sockets.ts";
import { accept } from "../../../src/posix/net/sockets.ts";
import { Watcher } from "../../../src/posix/watcher.ts";
import { RefusalMessage } from "../../../src/server/gate.ts";
import { test, unlessHeldUp, until } from "../../helpers/testing.ts";
import { receiveAll, send } from "../../helpers/wire_client.ts";

const WORD = new TextEncoder().encode("busy\r\n");
/** How long clients may stay, in milliseconds. */
const PATIENCE = 1_000;

/** A message with a watcher that runs, and connections to say it to. */
function scene(word = WORD) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const watcher = new Watcher();
  const watching = watcher.run();
  const message = new RefusalMessage(word, watcher);
  /** A client and the server's end of its connection. */
  const meet = async (): Promise<[Deno.TcpConn, Fd]> => {
    const client = await Deno.connect({ hostname: "127.0.0.1", port });
    for (;;) {
      const accepted = accept(findListener(listener.addr));
      if (accepted) return [client, accepted.fd];
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const end = async () => {
    message.close();
    watcher.stop();
    await watching;
    listener.close();
  };
  return { message, meet, [Symbol.asyncDispose]: end };
}

test(
  "RefusalMessage: the word arrives whole, whatever the client has sent and sends",
  unlessHeldUp(PATIENCE, async () => {
    await using stage = scene();
    const [client, fd] = await stage.meet();
    using _client = client;
    await send(client, new Uint8Array(50_000));
    stage.message.send(fd);
    await send(client, new Uint8Array(200_000));
    await client.closeWrite();
    assert.deepEqual(await receiveAll(client), WORD);
    await until("the descriptor is closed", () => !fd.isOpen);
  }),
);

test(
  "RefusalMessage: a client that stays is left after a moment, one that goes at once",
  unlessHeldUp(PATIENCE, async () => {
    await using stage = scene();
    const [stays, staying] = await stage.meet();
    using _stays = stays;
    const [goes, going] = await stage.meet();
    stage.message.send(staying);
    stage.message.send(going);
    goes.close();
    await until("who went is closed", () => !going.isOpen);
    assert.ok(staying.isOpen);
    await until("who stays is closed", () => !staying.isOpen);
  }),
);

test("RefusalMessage: so many may stay at a time, and no more", async () => {
  await using stage = scene();
  const pairs: [Deno.TcpConn, Fd][] = [];
  for (let i = 0; i < 140; i++) pairs.push(await stage.meet());
  for (const [, fd] of pairs) stage.message.send(fd);
  assert.equal(pairs.filter(([, fd]) => fd.isOpen).length, 128);
  for (const [client] of pairs) {
    assert.deepEqual(await receiveAll(client), WORD);
    client.close();
  }
});

test(
  "RefusalMessage: without a word it only closes, and at the end nothing is left open",
  unlessHeldUp(PATIENCE, async () => {
    const fds: Fd[] = [];
    using clients = new DisposableStack();
    {
      await using silent = scene(new Uint8Array(0));
      const [client, fd] = await silent.meet();
      silent.message.send(fd);
      assert.ok(!fd.isOpen);
      assert.equal((await receiveAll(client)).length, 0);
      client.close();
      await using stage = scene();
      for (let i = 0; i < 3; i++) {
        const [client, fd] = await stage.meet();
        stage.message.send(fd);
        clients.use(client);
        fds.push(fd);
      }
      assert.ok(fds.every((fd) => fd.isOpen));
    }
    assert.ok(fds.every((fd) => !fd.isOpen));
  }),
);

test("RefusalMessage: a client that is gone is no trouble", async () => {
  await using stage = scene();
  const [client, fd] = await stage.meet();
  client.close();
  stage.message.send(fd);
  await until("it is closed", () => !fd.isOpen);
});
