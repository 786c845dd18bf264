/** The table of connections by itself: every transition, without a process and without a clock. */
import assert from "node:assert/strict";
import type { Outcome } from "../../src/wire/records.ts";
import type { EndSignal } from "../../src/model/model.ts";
import type { Fd } from "../../src/posix/fd.ts";
import type { Ticket } from "../../src/server/admission.ts";
import {
  type ConnectionRecord,
  Connections,
} from "../../src/server/connections.ts";
import { Audience } from "../../src/server/events.ts";
import { test } from "../helpers/testing.ts";

const CLOSED: Outcome = {
  bytesIn: 1,
  bytesOut: 2,
  reason: "closed",
  text: "said",
};
const LIFETIME = 60_000;
const GRACE = 2_000;
const SOCKADDR = new Uint8Array(16);
SOCKADDR.set([2, 0, 0, 80, 192, 0, 2, 1]); // struct sockaddr_in, AF_INET: 192.0.2.1:80

/** A table, what it has others do, and the time. */
class Stage {
  /** The events and actions, in their order. */
  readonly seen: string[] = [];
  /** Steps that mean nothing to processes. */
  readonly deafTo: EndSignal[] = [];
  /** Connections that have ended and left processes behind. */
  readonly parents = new Set<number>();
  readonly table: Connections;
  #now = 0;
  readonly #timers: { due: number; late: () => void }[] = [];

  constructor(options: { reuses?: boolean; maxLifetime?: number } = {}) {
    const say = (...words: unknown[]) => void this.seen.push(words.join(" "));
    const clock: ConstructorParameters<typeof Connections>[3] = {
      now: () => this.#now,
      timers: (milliseconds, late) => {
        const running = new Map<unknown, { due: number; late: () => void }>();
        return {
          start: (key) => {
            const timer = {
              due: this.#now + milliseconds,
              late: () => {
                running.delete(key);
                late(key);
              },
            };
            running.set(key, timer);
            this.#timers.push(timer);
          },
          stop: (key) => {
            const timer = running.get(key);
            running.delete(key);
            if (timer) this.#timers.splice(this.#timers.indexOf(timer), 1);
          },
        };
      },
    };
    this.table = new Connections(
      new Audience([{
        accepted: ({ id, peer }) => say("accepted", id, peer),
        rejected: (peer, reason, why = "") =>
          say("rejected", peer, reason, why),
        handed: ({ id }, pid) => say("handed", id, pid),
        returned: ({ id }) => say("returned", id),
        connected: ({ id, pid }) => say("connected", id, pid),
        disconnected: ({ id }, { reason, text }, milliseconds) =>
          say("disconnected", id, reason, text, milliseconds),
        refused: ({ id }, why) => say("refused", id, why),
      }]).events,
      {
        serve: ({ id }) => say("serve", id),
        withdraw: (id, why) => say("withdraw", id, why),
        end: ({ id }, signal) => {
          say("end", id, signal);
          return !this.deafTo.includes(signal);
        },
        reusesProcesses: () => options.reuses ?? false,
        hasDescendants: (id) => this.parents.has(id),
        endDescendants: (id, when) => say("descendants", id, when),
        release: ({ source }) => say("release", source),
      },
      options.maxLifetime,
      clock,
    );
  }

  /** How many timers run. */
  get timers(): number {
    return this.#timers.length;
  }

  /** The events and actions since the previous call. */
  news(): string[] {
    return this.seen.splice(0);
  }

  /** Lets time go by. */
  pass(milliseconds: number): void {
    this.#now += milliseconds;
    for (const timer of this.#timers.filter(({ due }) => due <= this.#now)) {
      this.#timers.splice(this.#timers.indexOf(timer), 1);
      timer.late();
    }
  }

  arrive(): ConnectionRecord {
    return this.table.arrive({ fd: {} as Fd, peer: SOCKADDR });
  }

  /** One that was admitted, with a ticket of that name. */
  admit(source = "ticket"): ConnectionRecord {
    const connection = this.arrive();
    const ticket: Ticket = { counts: true, source };
    this.table.admit(connection, ticket);
    return connection;
  }

  /** One that a process serves. */
  serve(pid = 100, source = "ticket"): ConnectionRecord {
    const connection = this.admit(source);
    this.table.took(connection.id, pid);
    this.news();
    return connection;
  }
}

test("connections: waiting, handed, serving, ended, gone: its place is free when its process is reaped", () => {
  const stage = new Stage(), { table } = stage;
  const connection = stage.arrive();
  assert.deepEqual([connection.state, table.waiting, table.live], [
    "waiting",
    1,
    0,
  ]);
  stage.pass(1_000); // for room: that is no part of its life
  table.admit(connection, { counts: true, source: "ticket" });
  assert.deepEqual([connection.state, table.waiting, table.live], [
    "handed",
    0,
    1,
  ]);
  assert.deepEqual(stage.news(), ["accepted 1 192.0.2.1:80", "serve 1"]);
  stage.pass(10);
  table.took(1, 100);
  assert.deepEqual(
    [...table].map(({ id, pid, acceptedAt, takenAt }) => [
      id,
      pid,
      acceptedAt,
      takenAt,
    ]),
    [[1, 100, 1_000, 1_010]],
  );
  stage.pass(5);
  table.reaped(7); // a process of another
  table.done(1, CLOSED);
  assert.equal(connection.state, "ended");
  assert.deepEqual([...table], []);
  assert.deepEqual(stage.news(), [
    "connected 1 100",
    "disconnected 1 closed said 15",
  ]);
  table.reaped(100);
  table.reaped(100);
  assert.deepEqual(stage.news(), ["release ticket"]);
  assert.equal(stage.timers, 0);
});

test("connections: one that is handed may come back, and be handed again", () => {
  const stage = new Stage(), { table } = stage;
  const { id, state } = stage.admit();
  stage.news();
  for (const pid of [100, 101]) {
    table.handed(id, pid, 0);
    table.returned(id);
  }
  assert.deepEqual(stage.news(), [
    ...["handed 1 100", "returned 1", "handed 1 101", "returned 1"],
  ]);
  assert.deepEqual([state, table.live], ["handed", 1]);
  table.refuse(id, "why");
  stage.news();
  table.handed(id, 102, 0);
  table.returned(id);
  assert.deepEqual(stage.news(), []);
});

test("connections: waiting, rejected", () => {
  const stage = new Stage(), { table } = stage;
  table.reject(stage.arrive(), "proxy-protocol", "why");
  assert.equal(table.waiting, 0);
  assert.deepEqual(stage.news(), ["rejected 192.0.2.1:80 proxy-protocol why"]);
});

test("connections: one is admitted or rejected once", () => {
  const stage = new Stage(), { table } = stage;
  const connection = stage.admit();
  assert.throws(() => table.reject(connection, "rate"), TypeError);
  assert.throws(
    () => table.admit(connection, { counts: true, source: null }),
    TypeError,
  );
  assert.deepEqual([table.waiting, table.live], [0, 1]);
});

test("connections: whoever a proxy speaks for is known by its own address, and the proxy by the header", () => {
  const stage = new Stage(), connection = stage.arrive();
  assert.equal(connection.peer, "192.0.2.1:80");
  const client = SOCKADDR.slice();
  client[7] = 9;
  connection.identify(client, 28);
  assert.equal(connection.peer, "192.0.2.9:80");
  assert.deepEqual(connection.via, { proxy: "192.0.2.1:80", headerBytes: 28 });
  stage.table.reject(connection, "denied");
  assert.deepEqual(stage.news(), ["rejected 192.0.2.9:80 denied "]);
});

test("connections: handed, refused: no process could be had", () => {
  const stage = new Stage(), { table } = stage;
  const { id } = stage.admit();
  stage.news();
  table.refuse(id, "why");
  table.refuse(id, "again");
  assert.deepEqual(stage.news(), ["refused 1 why", "release ticket"]);
  assert.equal(table.live, 0);
});

test("connections: one whose process ended before it took it is gone at once", () => {
  const stage = new Stage(), { table } = stage;
  const { id } = stage.admit();
  stage.news();
  table.done(id, { ...CLOSED, reason: "killed", text: "" });
  assert.deepEqual(stage.news(), [
    "disconnected 1 killed  0",
    "release ticket",
  ]);
});

test("connections: where a process serves one after another, a place is free with its connection", () => {
  const stage = new Stage({ reuses: true }), { table } = stage;
  for (const id of [1, 2, 3]) {
    stage.serve();
    table.done(id, CLOSED);
    assert.deepEqual(stage.news(), [
      `disconnected ${id} closed said 0`,
      "release ticket",
    ]);
  }
});

test("connections: what is told of one that there is not, or twice, changes nothing", () => {
  const stage = new Stage(), { table } = stage;
  const { id } = stage.serve();
  table.took(id, 200);
  assert.deepEqual([...table].map(({ pid }) => pid), [100]);
  table.done(id, CLOSED);
  stage.news();
  for (const stranger of [0, id, 99]) {
    table.took(stranger, 300);
    table.done(stranger, CLOSED);
    table.refuse(stranger, "why");
    assert.equal(table.end(stranger, "dropped"), false);
  }
  assert.deepEqual(stage.news(), []);
});

test("connections: one that is ended is asked, told, killed, and keeps the first reason", () => {
  const stage = new Stage(), { table } = stage;
  const { id } = stage.serve();
  assert.ok(table.end(id, "idle"));
  assert.ok(table.end(id, "dropped"));
  assert.deepEqual(stage.news(), ["end 1 stop"]);
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    stage.pass(GRACE - 1);
    assert.deepEqual(stage.news(), []);
    stage.pass(1);
    assert.deepEqual(stage.news(), [`end 1 ${signal}`]);
  }
  assert.equal(stage.timers, 0); // there is no step after that
  table.done(id, CLOSED);
  assert.deepEqual(stage.news(), [
    "descendants 1 later",
    `disconnected 1 idle  ${2 * GRACE}`,
  ]);
});

test("connections: a step that means nothing to a process is none", () => {
  const stage = new Stage(), { table } = stage;
  stage.deafTo.push("stop");
  const { id } = stage.serve();
  table.end(id, "dropped");
  assert.deepEqual(stage.news(), ["end 1 stop", "end 1 SIGTERM"]);
  table.done(id, CLOSED);
  assert.equal(stage.timers, 0); // it ended in time
});

test("connections: one that no process has is refused, or ended as soon as one took it", () => {
  const stage = new Stage(), { table } = stage;
  const { id } = stage.admit();
  stage.news();
  table.end(id, "dropped");
  table.end(id, "dropped"); // it may have come back to the queue
  assert.deepEqual(stage.news(), ["withdraw 1 dropped", "withdraw 1 dropped"]);
  table.took(id, 100);
  assert.deepEqual(stage.news(), ["connected 1 100", "end 1 stop"]);
  table.refuse(id, "dropped");
  assert.equal(stage.timers, 0);
});

test("connections: one that lasts too long is ended, and so is what it left behind", () => {
  const stage = new Stage({ maxLifetime: LIFETIME }), { table } = stage;
  const first = stage.serve(100), second = stage.serve(101);
  const third = stage.serve(102);
  stage.pass(LIFETIME - 1);
  stage.parents.add(second.id);
  table.done(second.id, CLOSED);
  table.done(third.id, CLOSED);
  stage.news();
  stage.pass(1);
  assert.deepEqual(stage.news(), ["end 1 stop", "descendants 2 now"]);
  table.done(first.id, CLOSED);
  assert.deepEqual(stage.news(), [
    "descendants 1 later",
    `disconnected 1 lifetime  ${LIFETIME}`,
  ]);
  assert.equal(stage.timers, 0);
});
