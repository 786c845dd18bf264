import assert from "node:assert/strict";
import type { PosixError } from "../../src/posix/errno.ts";
import { findListener } from "../../src/posix/net/runtime_sockets.ts";
import { socketPair } from "../../src/posix/net/sockets.ts";
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

/** Descriptors that are watched, of which the test says when they are ready. */
function playedWatcher() {
  const watched = new Map<number, () => void>();
  const watcher = {
    watch: (fd: number, _events: number, ready: () => void) =>
      void watched.set(fd, ready),
    unwatch: (fd: number) => void watched.delete(fd),
  } as Watcher;
  return { watcher, watched };
}

test("acceptor: without room it leaves clients in the backlog until there is some; at its end it takes them all", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const fd = findListener(listener.addr), { port } = listener.addr;
  const { watcher, watched } = playedWatcher();
  let room = 1, accepted = 0;
  const acceptor = new Acceptor(fd, watcher, {
    hasRoom: () => room > 0,
    makeRoom: () => false,
    accepted: ({ fd }) => {
      room--;
      accepted++;
      fd.close();
    },
    refused: (error) => {
      throw error;
    },
  });
  using _one = await Deno.connect({ port });
  using _two = await Deno.connect({ port });
  using _three = await Deno.connect({ port });
  acceptor.resume(); // it was not held up
  assert.equal(watched.size, 0);
  acceptor.start();
  watched.get(fd)!();
  assert.deepEqual([accepted, watched.size], [1, 1]);
  watched.get(fd)!();
  assert.deepEqual([accepted, watched.size], [1, 0]);
  room = 1;
  acceptor.resume();
  watched.get(fd)!();
  watched.get(fd)!();
  assert.deepEqual([accepted, watched.size], [2, 0], "it is held up again");
  acceptor.stop();
  assert.deepEqual([accepted, watched.size], [3, 0]);
  acceptor.resume();
  assert.equal(watched.size, 0, "it has stopped");
});

test("acceptor: where the system gives none, it says so, waits, and tries again", async () => {
  const [own, other] = socketPair();
  using _own = own, _other = other;
  const { watcher, watched } = playedWatcher();
  const refused: PosixError[] = [];
  const acceptor = new Acceptor(own.number, watcher, {
    hasRoom: () => true,
    makeRoom: () => false,
    accepted: () => assert.fail("it is no listener"),
    refused: (error) => refused.push(error),
  });
  acceptor.start();
  for (const times of [1, 2]) {
    watched.get(own.number)!();
    assert.deepEqual([refused.length, watched.size], [times, 0]);
    await until("it is watched again", () => watched.size === 1);
  }
  acceptor.stop(0);
  assert.deepEqual([refused.length, watched.size], [2, 0]);
});
