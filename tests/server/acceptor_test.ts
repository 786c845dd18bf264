import assert from "node:assert/strict";
import { findListener } from "../../src/posix/net/runtime_sockets.ts";
import { Watcher } from "../../src/posix/watcher.ts";
import { Acceptor } from "../../src/server/acceptor.ts";
import { test, until } from "../helpers/testing.ts";

test("acceptor: room is made for a client that waits, and for none that may come", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const watcher = new Watcher();
  const running = watcher.run();
  let room = 1, accepted = 0, asked = 0, willing = false;
  const acceptor = new Acceptor(findListener(listener.addr), watcher, {
    hasRoom: () => room > 0,
    makeRoom: () => {
      asked++;
      if (willing) room++;
      return willing;
    },
    accepted: ({ fd }) => {
      room--;
      accepted++;
      fd.close();
    },
    refused: (error) => {
      throw error;
    },
  });
  acceptor.start();
  using _first = await Deno.connect({ port });
  await until("the first is accepted", () => accepted === 1);
  assert.equal(asked, 0, "nobody waits");
  using _second = await Deno.connect({ port });
  await until("the second is known of", () => asked === 1);
  assert.equal(accepted, 1, "it waits");
  willing = true;
  acceptor.resume();
  await until("the second is accepted", () => accepted === 2);
  assert.equal(asked, 2);
  acceptor.stop();
  watcher.stop();
  await running;
});
