/**
 * Anything at all, with descriptors and without, over every socket that the parent reads: from processes that
 * serve, from clients that come by a proxy, from those who ask. The parent goes on serving.
 */
import fc from "fast-check";
import assert from "node:assert/strict";
import { HANDOVER_SIZE, REPORT_SIZE } from "../../src/wire/records.ts";
import { sendFd } from "../../src/posix/net/handover.ts";
import { findConnection } from "../../src/posix/net/runtime_sockets.ts";
import { exists, test, until } from "../helpers/testing.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import { connect, hold, roundTrip, send } from "../helpers/wire_client.ts";
import { type Attack, attack, report, startVictim } from "./attack.ts";

/** In CI's long run each socket gets as much as comes within its share of a minute. */
const isFull = Deno.env.get("MPSERV_TEST_FULL") === "1";
const SHARE = 12_000;
const RUNS = isFull
  ? {
    numRuns: 1_000_000,
    interruptAfterTimeLimit: SHARE,
    markInterruptAsFailure: false,
  }
  : { numRuns: 12, seed: 20261128 };

const WORKERS = 4;

const kinds = ["ready", "took", "done", "exited", "failed"] as const;
const known = fc.record({ kind: fc.constantFrom(...kinds), id: fc.nat(20) })
  .map(({ kind, id }) => report(kind, id, id));
/** A record of ours with a few bytes changed. */
const damaged = fc.tuple(
  known,
  fc.array(fc.tuple(fc.nat(REPORT_SIZE - 1), fc.nat(255)), { maxLength: 6 }),
).map(([bytes, changes]) => {
  for (const [at, value] of changes) bytes[at] = value;
  return bytes;
});
const data = fc.oneof(
  known,
  damaged,
  fc.uint8Array({ maxLength: 5000 }),
  fc.uint8Array({ minLength: REPORT_SIZE, maxLength: REPORT_SIZE }),
  fc.uint8Array({ minLength: HANDOVER_SIZE, maxLength: HANDOVER_SIZE }),
);
const descriptors = fc.oneof(
  fc.constant(0),
  fc.nat(3),
  fc.integer({ min: 0, max: 253 }),
);
const message = fc.record({ data, descriptors });
const attacks: fc.Arbitrary<Attack> = fc.record({
  messages: fc.array(message, { minLength: 1, maxLength: 20 }),
  times: fc.integer({ min: 1, max: 5 }),
  forks: fc.boolean(),
  shutdown: fc.constantFrom(false, false, false, true),
});

/** Whether it is the same process that serves, and has met nothing that it did not expect. */
async function isWell(server: TestServer, held: Deno.Conn): Promise<void> {
  assert.equal(await roundTrip(held), "hello");
  assert.ok(await isServed(server));
  isSilent(server);
}

function isSilent(server: TestServer): void {
  assert.equal(server.log.where(/^Unexpected error/).length, 0);
  assert.deepEqual(server.log.others.filter((line) => !isOfChild(line)), []);
}

/** Serves another client to its end, or loses it without a wrong byte. */
async function isServed({ port }: TestServer): Promise<boolean> {
  using next = await connect(port);
  for (let i = 0; i < 2; i++) {
    const word = await roundTrip(next).catch((error) => {
      if (error instanceof Deno.errors.ConnectionReset) return "";
      if (error instanceof Deno.errors.BrokenPipe) return "";
      throw error;
    });
    if (word !== "hello") {
      assert.equal(word, "");
      return false;
    }
  }
  return true;
}

/** A process that was broken into may well end by what it does. */
function isOfChild(line: string): boolean {
  return !/\bsrc\/(model|server|control|cli)\//.test(line);
}

for (const model of models()) {
  test(`fuzz (${model}): what a process that serves sends harms the parent in no way`, async () => {
    const args = model === "pool" ? ["--workers", `${WORKERS}`] : [];
    await using server = await startVictim(model, args);
    using held = await hold(server.port);
    // In a pool, a process that was broken into and goes on as if nothing had been serves another client:
    // it can harm that one until it is found out, which ends it.
    let mayLose = 0;
    await fc.assert(
      fc.asyncProperty(attacks, async (how) => {
        using _ = await attack(server.port, how);
        if (model === "pool") mayLose = Math.min(mayLose + 1, WORKERS);
        assert.equal(await roundTrip(held), "hello");
        while (!await isServed(server)) assert.ok(mayLose-- > 0);
        isSilent(server);
      }),
      // There each connection costs a runtime.
      isFull || model !== "spawn" ? RUNS : { ...RUNS, numRuns: 4 },
    );
  });
}

test("fuzz: what comes over the control socket, with descriptors, harms the server in no way", async () => {
  await using server = await startServer({ model: "fork" });
  using held = await hold(server.port);
  const path = server.controlPath;
  await until(`${path} is there`, () => exists(path));
  const request = fc.json().map((json) =>
    new TextEncoder().encode(json + "\n")
  );
  const sent = fc.array(
    fc.tuple(
      fc.oneof(request, fc.uint8Array({ minLength: 1, maxLength: 512 })),
      fc.boolean(),
    ),
    { minLength: 1, maxLength: 10 },
  );
  await fc.assert(
    fc.asyncProperty(sent, async (messages) => {
      using conn = await Deno.connect({ transport: "unix", path });
      const { number } = {
        number: findConnection(conn.localAddr, conn.remoteAddr),
      };
      for (const [bytes, hasFd] of messages) {
        try {
          sendFd(number, bytes.slice(0, 512), hasFd ? number : null);
        } catch {
          break; // it has hung up
        }
      }
      await isWell(server, held);
    }),
    RUNS,
  );
});

test("fuzz: what clients send in the place of a proxy's header harms the server in no way", async () => {
  await using server = await startServer({
    model: "fork",
    args: ["--proxy-protocol", "127.0.0.1"],
  });
  const header = new TextEncoder().encode(
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello",
  );
  const start = fc.constantFrom("PROXY ", "PROXY TCP4 ", "PROXY TCP6 ::1 ", "")
    .map((text) => new TextEncoder().encode(text));
  const binary = fc.constant(
    Uint8Array.fromHex("0d0a0d0a000d0a515549540a21110054"),
  );
  const sent = fc.tuple(
    fc.oneof(start, binary),
    fc.uint8Array({ maxLength: 300 }),
  );
  await fc.assert(
    fc.asyncProperty(sent, async ([start, rest]) => {
      using conn = await connect(server.port);
      await send(conn, start).catch(() => {});
      await send(conn, rest).catch(() => {});
      using next = await connect(server.port);
      await send(next, header);
      assert.equal(new TextDecoder().decode(await take(next, 5)), "hello");
      assert.equal(server.log.where(/^Unexpected error/).length, 0);
    }),
    RUNS,
  );
});

async function take(conn: Deno.Conn, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size;) {
    const count = await conn.read(bytes.subarray(at));
    if (count === null) break;
    at += count;
  }
  return bytes;
}
