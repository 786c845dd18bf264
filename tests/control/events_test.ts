/** The events of a server, as a follower on the control socket receives them. */
import assert from "node:assert/strict";
import type { ControlClient } from "../../src/control/ask.ts";
import type { ServerEvent } from "../../src/control/event_lines.ts";
import type { Status } from "../../src/control/protocol.ts";
import { commandEnvironment, commandLine } from "../helpers/command.ts";
import { killNow } from "../helpers/processes.ts";
import { models, startServer, type TestServer } from "../helpers/server.ts";
import { test, until, within } from "../helpers/testing.ts";
import {
  connect,
  exchange,
  hold,
  receiveAll,
  roundTrip,
} from "../helpers/wire_client.ts";
import { ask, controlled, controlPath, json } from "./helpers.ts";

/** Follows a server. */
class Listening implements AsyncDisposable {
  readonly events: ServerEvent[] = [];
  readonly #client: ControlClient;
  readonly #over: Promise<void>;

  private constructor(client: ControlClient, began: () => void) {
    this.#client = client;
    this.#over = this.#listen(began);
  }

  static async to(server: TestServer): Promise<Listening> {
    const client = await ask(server);
    const began = Promise.withResolvers<void>();
    const listening = new Listening(client, began.resolve);
    await within("the first line", began.promise);
    return listening;
  }

  async #listen(began: () => void): Promise<void> {
    for await (const lines of this.#client.follow(began)) {
      this.events.push(...lines.map((line) => JSON.parse(line)));
    }
  }

  /** Those of one connection, once one of that name is there. */
  async of(id: number, last: ServerEvent["event"]): Promise<ServerEvent[]> {
    const own = () =>
      this.events.filter((event) => "id" in event && event.id === id);
    await until(
      `connection ${id} is ${last}`,
      () => own().some(({ event }) => event === last),
    );
    return own();
  }

  /** The first that is one. */
  async first<Name extends ServerEvent["event"]>(
    name: Name,
  ): Promise<Extract<ServerEvent, { event: Name }>> {
    const find = () => this.events.find(({ event }) => event === name);
    await until(`an event is ${name}`, () => find() !== undefined);
    return find() as Extract<ServerEvent, { event: Name }>;
  }

  /** Until the server hangs up. */
  async ended(): Promise<void> {
    await within("the end of the events", this.#over);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
    await this.#over;
  }
}

for (const model of models()) {
  test(`events (${model}): the way of a connection comes in order, with the times of each process`, async () => {
    await using server = await startServer({ model });
    await using listening = await Listening.to(server);
    const before = performance.now();
    const conn = await connect(server.port);
    assert.equal(await roundTrip(conn), "hello");
    const pid = await server.processOf(conn);
    await conn.closeWrite();
    await receiveAll(conn);
    const peer = `127.0.0.1:${conn.localAddr.port}`;
    conn.close();

    const events = await listening.of(1, "done");
    const span = 1e3 * (performance.now() - before);
    const forks = model === "fork" ? ["forked"] : [];
    assert.deepEqual(events.map(({ event }) => event), [
      ...["accepted", "handed", ...forks, "took", "half-closed", "done"],
    ]);
    const [accepted, handed, ...rest] = events;
    assert.ok(accepted!.event === "accepted" && accepted!.peer === peer);
    assert.ok(handed!.event === "handed");
    const zygotes = server.children()
      .filter(({ comm }) => comm === "mpserv:zygote").map(({ pid }) => pid);
    if (model === "fork") assert.ok(zygotes.includes(handed!.pid));
    else assert.equal(handed!.pid, pid);
    for (const event of rest) assert.ok("pid" in event && event.pid === pid);
    const done = events.at(-1)!;
    assert.ok(done.event === "done");
    assert.deepEqual([done.in, done.out, done.reason, done.text], [
      ...[5, 5, "closed", ""],
    ]);
    const took = events.find(({ event }) => event === "took")!;
    assert.ok(took.event === "took" && took.heard >= took.at);
    assert.ok(done.heard >= done.at);
    const times = events.map(({ at }) => at);
    assert.deepEqual(times, times.toSorted((a, b) => a - b));
    assert.ok(times.at(-1)! - times[0]! <= span, "microseconds of one clock");

    if (model !== "pool") {
      const reaped = await listening.first("reaped");
      assert.deepEqual([reaped.pid, reaped.code, reaped.signal], [
        pid,
        0,
        null,
      ]);
      assert.ok(reaped.at >= done.at);
    }
    await server.stop();
    await listening.ended();
    const names = listening.events.map(({ event }) => event);
    assert.ok(names.includes("draining"));
    assert.equal(names.includes("skipped"), false);
    assert.deepEqual(server.log.others, []);
  });

  test(`events (${model}): a connection whose process is killed before it took it is returned, and handed to another`, async () => {
    await using server = await startServer({ model, crew: "usual" });
    (await hold(server.port)).close();
    await server.log.waitFor("client disconnected...");
    const idle = await server.waiting();
    await using listening = await Listening.to(server);
    for (const pid of idle) Deno.kill(pid, "SIGSTOP");
    using conn = await connect(server.port);
    await listening.of(2, "handed");
    for (const pid of idle) killNow(pid);
    assert.equal(await roundTrip(conn), "hello");
    const events = (await listening.of(2, "took"))
      .filter(({ event }) => event !== "forked");
    const names = events.map(({ event }) => event);
    assert.equal(names[0], "accepted");
    assert.equal(names.at(-1), "took");
    // It may be handed to some that are being killed.
    const between = names.slice(1, -1).join();
    assert.match(between, /^(handed,returned,)+handed$/);
    assert.ok(events[1]!.event === "handed" && idle.includes(events[1]!.pid));
    const reaped = await listening.first("reaped");
    assert.equal(reaped.signal, "SIGKILL");
  });
}

test("events: a refusal comes with its reason, and a trouble as text", async () => {
  const args = ["--max-connections", "1", "--overload", "refuse"];
  await using server = await startServer({ args });
  using held = await hold(server.port);
  await server.processOf(held);
  await using listening = await Listening.to(server);
  using conn = await connect(server.port);
  const refused = await listening.first("refused");
  assert.equal(refused.reason, "max-connections");
  assert.equal(refused.peer, `127.0.0.1:${conn.localAddr.port}`);
  assert.equal(refused.id, undefined, "it was never let in");
});

test("events: a reader that is slow makes nobody wait, and is told how many it missed", async () => {
  const args = ["--deny", "127.0.0.0/8"];
  await using server = await startServer({ args });
  const path = await controlled(controlPath(server));
  using slow = await Deno.connect({ transport: "unix", path });
  await slow.write(new TextEncoder().encode('{"command":"events"}\n'));
  const first = new Uint8Array(4096);
  await slow.read(first); // from here on it reads nothing
  // More than the system and the server keep for it.
  const most = 12_000;
  for (let made = 0; made < most; made += 50) {
    const some = Array.from({ length: 50 }, () => connect(server.port));
    for (const conn of await Promise.all(some)) conn.close();
  }
  let refused = 0;
  await until("all have been refused", async () => {
    const { totals } = await json<Status>(["status", path]);
    refused = totals.refused.denied ?? 0;
    return refused === most;
  });

  let text = "", told = 0, skipped = 0;
  const buffer = new Uint8Array(64 * 1024);
  const decoder = new TextDecoder();
  while (told + skipped < most) {
    const count = await within("what waits", slow.read(buffer));
    assert.ok(count !== null, "it is not hung up on");
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      const event: ServerEvent = JSON.parse(line);
      if (event.event === "refused") told++;
      else if (event.event === "skipped") skipped += event.count;
    }
  }
  assert.ok(told > 0 && skipped > 0);
  assert.equal(told + skipped, most, "not one more, and not one less");
});

test("events: more than a few cannot follow, and the others are still answered", async () => {
  await using server = await startServer();
  const clients: ControlClient[] = [];
  try {
    for (let i = 0; i < 8; i++) {
      const client = await ask(server);
      clients.push(client);
      await client.ask({ command: "events" });
    }
    using ninth = await ask(server);
    await assert.rejects(
      ninth.ask({ command: "events" }),
      /^ControlError: Cannot send events: 8 clients follow them already: stop one of them$/,
    );
    assert.equal((await ninth.ask({ command: "status" })).pid, server.pid);
    clients.pop()![Symbol.dispose]();
    await until("there is room again", async () => {
      using next = await ask(server);
      return await next.ask({ command: "events" }).then(
        () => true,
        () => false,
      );
    });
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});

/** A client that sends five bytes and ends. */
async function visit({ port }: TestServer): Promise<void> {
  using conn = await connect(port);
  await exchange(conn, new Uint8Array(5));
}

/** `mpserv events`, and what it has printed. */
class Printing {
  readonly process: Deno.ChildProcess;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  text = "";

  constructor(...words: string[]) {
    const [program, ...args] = commandLine(["events", ...words]);
    const env = commandEnvironment();
    const [stdout, stderr] = ["piped", "piped"] as const;
    this.process = new Deno.Command(program, { args, stdout, stderr, env })
      .spawn();
    this.#reader = this.process.stdout.getReader();
  }

  /** Reads what is there; false at the end. */
  async read(): Promise<boolean> {
    const { value, done } = await within("a line", this.#reader.read());
    this.text += new TextDecoder().decode(value);
    return !done;
  }

  /** Reads no more. */
  async leave(): Promise<void> {
    await this.#reader.cancel();
  }

  /** Its end. */
  async end(): Promise<{ code: number; stderr: string }> {
    const { code } = await within("its end", this.process.status);
    return { code, stderr: await new Response(this.process.stderr).text() };
  }
}

test("mpserv events: prints a line an event until the server ends, or nobody reads any more", async () => {
  await using server = await startServer();
  await controlled(controlPath(server));
  const port = String(server.port);
  const text = new Printing(port);
  const lines = new Printing(port, "--json");
  const left = new Printing(port);
  // Each follows from some moment on: there are clients until all of them tell of one.
  const going = { clients: true };
  const clients = (async () => {
    while (going.clients) await visit(server);
  })();
  for (const one of [text, lines, left]) await one.read();
  await left.leave();
  assert.deepEqual(await left.end(), { code: 141, stderr: "" });
  await lines.read();
  going.clients = false;
  await clients;
  await visit(server);
  await server.stop();
  while (await text.read());
  while (await lines.read());
  for (const one of [text, lines]) {
    assert.deepEqual(await one.end(), { code: 0, stderr: "" });
  }
  assert.match(
    text.text,
    /^\d\d:\d\d:\d\d\.\d{6} {2}accepted +\d+ {2}peer=127\.0\.0\.1:\d+$/m,
  );
  assert.match(text.text, /^\S+ {2}done +\d+ {2}pid=\d+ {2}in=5 {2}out=5/m);
  const events: ServerEvent[] = lines.text.trim().split("\n")
    .map((line) => JSON.parse(line));
  assert.ok(events.some(({ event }) => event === "draining"));
});
