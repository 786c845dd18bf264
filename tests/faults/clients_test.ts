/** Clients that mean harm, or behave as if: each costs the server its own connection at most. */
import assert from "node:assert/strict";
import { encodeAddress } from "../../src/posix/net/address.ts";
import { dial } from "../../src/posix/net/dialing.ts";
import { setNoDelay } from "../../src/posix/net/sockets.ts";
import type { Fd } from "../../src/posix/fd.ts";
import { receiveNow, sendNow } from "../../src/posix/io.ts";
import { withDescriptors } from "../helpers/command.ts";
import { signalNow } from "../helpers/processes.ts";
import {
  type Model,
  models,
  startServer,
  type TestServer,
} from "../helpers/server.ts";
import { randomBytes, steady, test, until } from "../helpers/testing.ts";
import {
  connect,
  exchange,
  hold,
  receive,
  reset,
  send,
} from "../helpers/wire_client.ts";

/** Sizes by hand (`MPSERV_TEST_FULL=1`, some minutes), and in the suite. */
const isFull = Deno.env.get("MPSERV_TEST_FULL") === "1";
const SILENT = isFull ? 2000 : 40;
const AT_ONCE = isFull ? 5000 : 160; // more than may wait and than the backlog holds

/** A raw connection, which nobody reads from unless he asks. */
function dialServer({ port }: TestServer): Fd {
  return dial(encodeAddress({ transport: "tcp", hostname: "127.0.0.1", port }));
}

/** Sends more than a megabyte, and until nothing more goes for a while. */
async function sendAll(socket: Fd): Promise<void> {
  const bytes = new Uint8Array(65_536);
  let sent = 0;
  await until("much has been sent", () => {
    for (let count; (count = sendNow(socket.number, bytes)) > 0;) sent += count;
    return sent > 1 << 20;
  });
  await steady("no more goes", () => {
    sent += Math.max(0, sendNow(socket.number, bytes));
    return [sent];
  });
}

/** Memory of a process that is its own, in bytes. */
function ownMemory(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return 1024 * Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)![1]);
}

/** Gets a word back that goes with its connection: it is never late. */
async function isServed(server: TestServer): Promise<void> {
  using socket = dialServer(server);
  const word = new TextEncoder().encode("hello");
  await until("it is connected", () => sendNow(socket.number, word) > 0);
  const answer = new Uint8Array(word.length);
  await until("it is served", () => receiveNow(socket.number, answer) > 0);
  assert.deepEqual(answer, word);
}

/** One that sends a byte now and then; on a busy machine it may be late by seconds. */
async function dribbles(model: Model): Promise<void> {
  await using server = await startServer({
    model,
    args: ["--idle-timeout", "5s", "--max-lifetime", "6s"],
  });
  using slow = await hold(server.port);
  const peer = `127.0.0.1:${slow.localAddr.port}`;
  const ended = server.log.waitFor((line) =>
    line.message === "client disconnected..." && line.peer === peer
  );
  let going = true;
  const sending = (async () => {
    while (going) {
      await send(slow, new Uint8Array(1)).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  await isServed(server);
  assert.equal((await ended).reason, "lifetime");
  going = false;
  await sending;
}

test(`clients (${models()}): one that sends a byte now and then is ended when its time is up`, async () => {
  await Promise.all(models().map(dribbles)); // at once: they take their time
});

for (const model of models()) {
  const silent = { spawn: 4, pool: 12 }[model] ?? SILENT;
  test(`clients (${model}): ${silent} that connect and say nothing are ended, and others are served meanwhile`, async () => {
    await using server = await startServer({
      model,
      args: ["--first-byte-timeout", "2s"],
    });
    const sockets = Array.from({ length: silent }, () => dialServer(server));
    await isServed(server);
    await until("all have been ended", () => {
      const ends = server.log.lines.filter(({ reason }) =>
        reason === "first-byte"
      );
      return ends.length === silent;
    });
    for (const socket of sockets) {
      assert.equal(receiveNow(socket.number, new Uint8Array(1)), 0);
      socket.close();
    }
    await isServed(server);
    assert.equal(server.log.where("client refused").length, 0);
  });

  test(`clients (${model}): one that never reads is stopped by its own window, and bytes that come one by one come back one by one`, async () => {
    await using server = await startServer({ model });
    {
      using client = dialServer(server);
      const line = await server.log.waitFor("new client connected...");
      const pid = Number(line.pid);
      const before = ownMemory(pid);
      await sendAll(client);
      const grown = ownMemory(pid) - before;
      assert.ok(grown < 4 << 20, `${grown} bytes for one that does not read`);
      await isServed(server);
    }
    using client = dialServer(server);
    setNoDelay(client.number);
    await isServed(server);
    const byte = new Uint8Array(1), answer = new Uint8Array(65_536);
    let sent = 0, received = 0;
    const takeAnswer = () => {
      const count = Math.max(0, receiveNow(client.number, answer));
      for (let i = 0; i < count; i++) {
        assert.equal(answer[i], (received + i) % 251);
      }
      received += count;
    };
    for (
      const end = performance.now() + 60_000;
      isFull ? performance.now() < end : sent < 1_000;
    ) {
      for (let i = 0; i < 500; i++) {
        byte[0] = sent % 251;
        sent += Math.max(0, sendNow(client.number, byte));
        takeAnswer();
      }
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await until("all have come back", () => {
      takeAnswer();
      return received === sent;
    });
  });

  test(`clients (${model}): resets at any stage end their own connection, and leave nothing`, async () => {
    await using server = await startServer({
      model,
      args: ["--log-level", "debug"],
    });
    await isServed(server);
    await server.log.waitFor("client disconnected...");
    const before = await server.steadyDescriptors();
    const isAccepted = (conn: Deno.TcpConn) =>
      server.log.waitFor((line) =>
        line.message === "accepted" &&
        line.peer === `127.0.0.1:${conn.localAddr.port}`
      );
    const all = { // what happens before the reset
      "before it is accepted": async () => {
        server.signal("SIGSTOP");
        const conn = await connect(server.port);
        setTimeout(() => server.signal("SIGCONT"), 100);
        return conn;
      },
      "before it is taken": async () => {
        const pids = server.children().map(({ pid }) => pid);
        for (const pid of pids) signalNow(pid, "SIGSTOP");
        const conn = await connect(server.port);
        await isAccepted(conn);
        setTimeout(() => {
          for (const pid of pids) signalNow(pid, "SIGCONT");
        }, 100);
        return conn;
      },
      "after it is taken": () => hold(server.port),
      "in the middle of a transfer": async () => {
        const conn = await hold(server.port);
        const sending = send(conn, randomBytes(8 << 20)).catch(() => {});
        await receive(conn, 300_000);
        setTimeout(() => void sending, 0);
        return conn;
      },
      "after its half-close": async () => {
        const conn = await hold(server.port);
        const pid = await server.processOf(conn);
        signalNow(pid, "SIGSTOP"); // or it might have ended its side, too
        setTimeout(() => signalNow(pid, "SIGCONT"), 100);
        await conn.closeWrite();
        return conn;
      },
    };
    let count = 1;
    for (const [stage, reach] of Object.entries(all)) {
      using conn = await reach();
      reset(conn);
      await server.log.waitForCount("client disconnected...", ++count);
      const { reason, level } = server.log.where("client disconnected...").at(
        -1,
      )!;
      assert.match(String(reason), /^(reset|closed)$/, stage);
      assert.equal(level, "INFO", stage);
      await server.isQuiet();
    }
    assert.deepEqual(await server.steadyDescriptors(), before);
  });

  test(`clients (${model}): many at once are all served by a backlog of 16`, async () => {
    await using server = await startServer({
      model,
      // So many wait for processes at most, and the others in the backlog.
      through: isFull ? [] : withDescriptors(1024),
      // The kernel may reset one side alone of what overflows the backlog.
      args: [
        ...["--backlog", "16", "--idle-timeout", "5s"],
        ...["--log-level", "debug"],
      ],
    });
    const count = model === "spawn" ? 8 : AT_ONCE; // there each costs a runtime
    const word = new TextEncoder().encode("hello");
    // Whom it resets before he was accepted tries again.
    const visit = async (): Promise<Uint8Array> => {
      try {
        using conn = await connect(server.port);
        return await exchange(conn, word);
      } catch (error) {
        if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
        return await visit();
      }
    };
    // All that wait ahead are held back until as many as may wait do.
    const idle = server.children().map(({ pid }) => pid);
    for (const pid of idle) signalNow(pid, "SIGSTOP");
    const visits = Promise.all(Array.from({ length: count }, visit));
    visits.catch(() => {}); // until it is looked at below
    const held = model === "fork" ? 128 : 64; // a zygote has as many as wait
    const most = Math.min(count, held);
    // Whom the backlog has no room for tries again after seconds: in five, those that are held are missed.
    const end = performance.now() + 2_000;
    await until("as many wait as may", () => {
      const accepted = server.log.where("accepted").length;
      return accepted >= most || performance.now() > end;
    });
    for (const pid of idle) signalNow(pid, "SIGCONT");
    const answers = await visits;
    for (const answer of answers) assert.deepEqual(answer, word);
    const { lines } = server.log;
    const whole = () => lines.filter(({ reason }) => reason === "closed");
    await until("all have ended", () => whole().length >= count);
    await server.isQuiet();
    assert.equal(whole().length, count);
    assert.ok(whole().every((line) => line.in === 5 && line.out === 5));
    assert.deepEqual(lines.filter(({ level }) => level.startsWith("WARN")), []);
  });
}
