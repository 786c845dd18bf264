import assert from "node:assert/strict";
import type { RelayWork } from "../../src/bench/relay.ts";
import { roleCommand } from "../../src/runtime/roles.ts";
import { echo, Gate, TestServer } from "../client/test_server.ts";
import { commandLine } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { randomBytes, sameBytes, test, within } from "../helpers/testing.ts";
import {
  connect,
  deafPort,
  exchange,
  receive,
  roundTrip,
  send,
} from "../helpers/wire_client.ts";
import { benchWell } from "./helpers.ts";

/** A relay to a server of this machine; ended at the end of the block. */
async function startRelay(
  port: number,
  link: { delay: number; bandwidth?: number },
): Promise<{ port: number } & AsyncDisposable> {
  const target = { transport: "tcp", hostname: "127.0.0.1", port } as const;
  const work: RelayWork = { bandwidth: null, ...link, target };
  const { program, args } = roleCommand("@bench", [
    "relay",
    JSON.stringify(work),
  ], {
    permissions: ["--allow-ffi", "--allow-net"],
  });
  const process = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = process.stdout.getReader();
  const { value } = await within("the relay", reader.read());
  return {
    port: JSON.parse(new TextDecoder().decode(value)).port,
    async [Symbol.asyncDispose]() {
      await process.stdin.close();
      const { code } = await within("the relay's end", process.status);
      await reader.cancel();
      assert.equal(code, 0);
    },
  };
}

const portOf = (server: TestServer) => Number(server.args[1]);

test("relay: bytes and ends travel both ways, exactly", async () => {
  await using server = await startServer();
  await using relay = await startRelay(server.port, { delay: 5 });
  const conns = await Promise.all([1, 2, 3].map(() => connect(relay.port)));
  await Promise.all(conns.map(async (conn) => {
    const bytes = randomBytes(3_000_000);
    assert.ok(sameBytes(await exchange(conn, bytes), bytes));
    conn.close();
  }));
});

test("relay: a byte is on the way for the delay, and others with it", async () => {
  const DELAY = 100, COUNT = 200;
  await using server = new TestServer(echo);
  await using relay = await startRelay(portOf(server), { delay: DELAY });
  using conn = await connect(relay.port);
  await roundTrip(conn);
  const begin = performance.now();
  for (let i = 0; i < COUNT; i++) {
    await send(conn, new Uint8Array([i]));
    await new Promise((resolve) => setTimeout(resolve, 1)); // pieces of their own
  }
  await receive(conn, COUNT);
  const took = performance.now() - begin;
  assert.ok(took >= 2 * DELAY, `${took} ms`);
  assert.ok(took < COUNT * 2 * DELAY / 2, `${took} ms: one after the other?`);
});

test("relay: bandwidth holds bytes back", async () => {
  await using server = new TestServer(echo);
  await using relay = await startRelay(portOf(server), {
    delay: 1,
    bandwidth: 200_000,
  });
  using conn = await connect(relay.port);
  const bytes = randomBytes(100_000);
  const begin = performance.now();
  assert.ok(sameBytes(await exchange(conn, bytes), bytes));
  assert.ok(performance.now() - begin >= 500);
});

test("relay: a receiver that does not read holds the sender back", async () => {
  await using server = new TestServer(async () => await gate.opened);
  using gate = new Gate();
  await using relay = await startRelay(portOf(server), { delay: 1 });
  using conn = await connect(relay.port);
  const chunk = new Uint8Array(2 ** 20);
  let sent = 0;
  const MOST = 64 * 2 ** 20; // what the relay and the system's buffers hold is less
  const stuck = Promise.withResolvers<"stuck">();
  let timer = setTimeout(() => stuck.resolve("stuck"), 3000);
  while (sent < MOST) {
    const writing = conn.write(chunk);
    writing.catch(() => {}); // the one that is stuck fails when the connection is closed
    const count = await Promise.race([writing, stuck.promise]);
    if (count === "stuck") break;
    sent += count;
    clearTimeout(timer);
    timer = setTimeout(() => stuck.resolve("stuck"), 3000);
  }
  clearTimeout(timer);
  assert.ok(sent < MOST, `${sent} bytes went`);
});

test("relay: a server that is not there ends the connection", async () => {
  using deaf = deafPort();
  await using relay = await startRelay(deaf.port, { delay: 1 });
  using conn = await connect(relay.port);
  const end = await within(
    "the end",
    conn.read(new Uint8Array(1)).catch(() => null),
  );
  assert.equal(end, null);
});

/** Runs what comes after it behind a link of the system's own, in a network of its own. */
const NETEM: readonly [string, ...string[]] = [
  "unshare",
  "-n",
  "sh",
  "-c",
  'ip link set lo up && tc qdisc add dev lo root netem delay 20ms && exec "$@"',
  "sh",
];

async function hasNetem(): Promise<boolean> {
  try {
    const [program, ...words] = NETEM;
    const args = [...words, "true"];
    const { code } = await new Deno.Command(program, { args, stderr: "null" })
      .output();
    return code === 0;
  } catch {
    return false;
  }
}

const netem = await hasNetem();
if (!netem) {
  const line =
    "SKIPPED: relay against tc netem: no right to use it, or no such kernel module\n";
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}

test("relay: its delay is that of tc netem", async () => {
  const ping = ["--ping", "--duration", "1s"];
  await using far = await startServer({ through: NETEM });
  const [program, ...args] = [
    "nsenter",
    ...["-t", `${far.pid}`, "-n"],
    ...commandLine(["bench", "127.0.0.1", `${far.port}`, ...ping, "--json"]),
  ] as [string, ...string[]];
  const { stdout } = await new Deno.Command(program, { args }).output();
  const wanted = JSON.parse(new TextDecoder().decode(stdout)).latency.min;

  await using near = await startServer();
  await using relay = await startRelay(near.port, { delay: 20 });
  const { latency } = await benchWell("127.0.0.1", `${relay.port}`, ...ping);
  assert.ok(wanted >= 40 && latency!.min >= 40);
  assert.ok(
    Math.abs(latency!.min - wanted) < 10,
    `${latency!.min} and ${wanted} ms`,
  );
}, { ignore: !netem });
