/** The gate by itself: every way through it, with played headers, and without a process or a socket. */
import assert from "node:assert/strict";
import { Fd } from "../../../src/posix/fd.ts";
import type { Watcher } from "../../../src/posix/watcher.ts";
import type { AdmissionOptions } from "../../../src/server/admission.ts";
import {
  type ConnectionRecord,
  Connections,
} from "../../../src/server/connections.ts";
import { Audience } from "../../../src/server/events.ts";
import { Gate } from "../../../src/server/gate.ts";
import type {
  HeaderReader,
  Proxies,
} from "../../../src/server/proxy/proxy_source.ts";
import { test, until } from "../../helpers/testing.ts";
import { UNLIMITED } from "../played_model.ts";

/** `struct sockaddr_in` of 192.0.2.N:80. */
function sockaddr(n: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array([2, 0, 0, 80, 192, 0, 2, n, 0, 0, 0, 0, 0, 0, 0, 0]);
}

type HeaderEvents = Parameters<HeaderReader["add"]>[1];

/** A gate, the table that it fills, and proxies whose headers the test plays. */
class Stage implements Disposable {
  /** What happened, in its order. */
  readonly seen: string[] = [];
  /** Connections whose header has not come, by the last byte of their proxy's address. */
  readonly headers = new Map<number, HeaderEvents>();
  /** Whether one of them has been slow. */
  isSlow = false;
  /** Those that were admitted. */
  readonly admitted: ConnectionRecord[] = [];
  readonly table: Connections;
  readonly gate: Gate;

  constructor(options: Partial<AdmissionOptions> = {}, hasProxies = false) {
    const say = (...words: unknown[]) => void this.seen.push(words.join(" "));
    this.table = new Connections(
      new Audience([{
        rejected: (peer, reason, why) =>
          say("rejected", peer, reason, ...(why ? [why] : [])),
        refused: ({ id }, why) => say("refused", id, why),
      }]).events,
      {
        serve: (connection) => {
          this.admitted.push(connection);
          say("serve", connection.peer);
        },
        withdraw: () => {},
        end: () => true,
        reusesProcesses: () => true,
        hasDescendants: () => false,
        endDescendants: () => {},
        release: (ticket) => this.gate.release(ticket),
      },
    );
    const proxies: Proxies = {
      trusts: (proxy) => proxy[7] !== 66,
      headers: this.#played() as HeaderReader,
    };
    this.gate = new Gate(
      {
        ...UNLIMITED,
        busyMessage: new Uint8Array(0), // closed at once, without a word
        ...options,
        ...(hasProxies ? { proxies: () => proxies } : {}),
      },
      null as unknown as Watcher, // which only a message needs
      this.table,
      () => say("room"),
    );
  }

  #played(): Pick<HeaderReader, "add" | "makeRoom" | "close"> {
    return {
      add: ({ sockaddr }, events) =>
        void this.headers.set(sockaddr[7]!, events),
      makeRoom: () => {
        const [slowest] = this.isSlow ? this.headers.keys() : [];
        if (slowest === undefined) return false;
        this.take(slowest).failed("it was slow");
        return true;
      },
      close: () => {
        for (const n of [...this.headers.keys()]) this.take(n).failed("end");
      },
    };
  }

  /** The header of a proxy comes, or will not. */
  take(n: number): HeaderEvents {
    const events = this.headers.get(n)!;
    this.headers.delete(n);
    return events;
  }

  /** What happened since the last call. */
  news(): string[] {
    return this.seen.splice(0);
  }

  arrive(n: number): ConnectionRecord {
    const connection = this.table.arrive({ fd: new Fd(-1), peer: sockaddr(n) });
    this.gate.arrived(connection);
    return connection;
  }

  /** The oldest connection ends, and with it its place is free. */
  end(): void {
    this.table.refuse(this.admitted.shift()!.id, "ended");
  }

  [Symbol.dispose](): void {
    this.gate.close();
  }
}

test("gate: who finds room is admitted; whose place is free lets the next one in", () => {
  using stage = new Stage({ maxConnections: 1 });
  assert.ok(stage.gate.hasRoom());
  stage.arrive(1);
  assert.deepEqual(stage.news(), ["serve 192.0.2.1:80"]);
  assert.equal(stage.gate.hasRoom(), false);
  assert.equal(stage.gate.makeRoom(), false); // no header is awaited
  stage.end();
  assert.deepEqual(stage.news(), ["refused 1 ended", "room"]);
  assert.ok(stage.gate.hasRoom());
});

test("gate: who comes without room waits in the line, in turn, and is admitted when there is some", async () => {
  using stage = new Stage({ maxConnections: 1 });
  for (const n of [1, 2, 3]) stage.arrive(n);
  assert.deepEqual(stage.news(), ["serve 192.0.2.1:80"]);
  assert.equal(stage.table.waiting, 2);
  let isSettled = false;
  const settled = stage.gate.settled().then(() => isSettled = true);
  stage.end();
  assert.deepEqual(stage.news(), [
    "refused 1 ended",
    "serve 192.0.2.2:80",
    "room",
  ]);
  await Promise.resolve();
  assert.equal(isSettled, false);
  stage.end();
  assert.deepEqual(stage.news(), [
    "refused 2 ended",
    "serve 192.0.2.3:80",
    "room",
  ]);
  assert.equal(stage.table.waiting, 0);
  await settled;
  await stage.gate.settled(); // nobody waits
});

test("gate: who waits when no more are served is rejected", async () => {
  using stage = new Stage({ maxConnections: 1 });
  for (const n of [1, 2, 3]) stage.arrive(n);
  const settled = stage.gate.settled();
  stage.news();
  stage.gate.giveUp();
  await settled;
  const rejected = [2, 3].map((n) =>
    `rejected 192.0.2.${n}:80 max-connections`
  );
  assert.deepEqual(stage.news(), rejected);
  assert.equal(stage.table.waiting, 0);
});

test("gate: where too many are refused, or a client is denied, it is rejected with the reason", () => {
  using stage = new Stage({
    maxConnections: 1,
    overload: "refuse",
    deny: [{ ip: new Uint8Array([192, 0, 2, 9]), prefix: 32 }],
  });
  for (const n of [1, 2, 9]) stage.arrive(n);
  assert.deepEqual(stage.news(), [
    "serve 192.0.2.1:80",
    "rejected 192.0.2.2:80 max-connections",
    "rejected 192.0.2.9:80 denied",
  ]);
});

test("gate: where a rate leaves no room, it says when there is some", async () => {
  using stage = new Stage({ rate: { count: 1, per: 10, burst: 1 } });
  stage.arrive(1);
  assert.equal(stage.gate.hasRoom(), false);
  stage.arrive(2);
  assert.deepEqual(stage.news(), ["serve 192.0.2.1:80"]);
  while (!stage.gate.hasRoom()); // before it is told
  stage.arrive(3); // behind the one in the line
  assert.deepEqual(stage.news(), []);
  const served = () => stage.seen.filter((what) => what !== "room");
  await until("both are in", () => served().length === 2);
  assert.deepEqual(served(), ["serve 192.0.2.2:80", "serve 192.0.2.3:80"]);
  assert.ok(stage.seen.includes("room"));
});

test("gate: a stranger among proxies is rejected; a proxy's connection waits for its header, and is its client's", () => {
  using stage = new Stage({ maxConnections: 2 }, true);
  stage.arrive(66);
  assert.deepEqual(stage.news(), [
    "rejected 192.0.2.66:80 proxy-protocol it does not come from an allowed proxy",
  ]);
  const connection = stage.arrive(1);
  assert.deepEqual([stage.news(), connection.state], [[], "waiting"]);
  stage.take(1).complete(sockaddr(201), 28);
  assert.deepEqual(stage.news(), ["serve 192.0.2.201:80", "room"]);
  assert.deepEqual(connection.via, { proxy: "192.0.2.1:80", headerBytes: 28 });
});

test("gate: a header that fails, and a client that is denied by it, give their place back", () => {
  const deny = [{ ip: new Uint8Array([192, 0, 2, 202]), prefix: 32 }];
  using stage = new Stage({ maxConnections: 1, deny }, true);
  stage.arrive(1);
  assert.equal(stage.gate.hasRoom(), false);
  stage.take(1).failed("it is none");
  assert.deepEqual(stage.news(), [
    "rejected 192.0.2.1:80 proxy-protocol it is none",
    "room",
  ]);
  stage.arrive(2);
  stage.take(2).complete(sockaddr(202), 28);
  assert.deepEqual(stage.news(), ["rejected 192.0.2.202:80 denied", "room"]);
  assert.ok(stage.gate.hasRoom());
  assert.deepEqual([stage.table.waiting, stage.table.live], [0, 0]);
});

test("gate: where headers hold every place, a slow one makes room, and is not waited for again", () => {
  using stage = new Stage({ maxConnections: 1, overload: "refuse" }, true);
  stage.arrive(1);
  stage.arrive(2);
  assert.deepEqual(stage.news(), ["rejected 192.0.2.2:80 max-connections"]);
  stage.isSlow = true;
  stage.arrive(3);
  assert.deepEqual([...stage.headers.keys()], [3]);
  assert.deepEqual(stage.news(), [
    "rejected 192.0.2.1:80 proxy-protocol it was slow",
    "room",
  ]);
  assert.ok(stage.gate.makeRoom());
  assert.equal(stage.headers.size, 0);
});

test("gate: headers that are awaited at the end are given up, and nobody is left", async () => {
  const stage = new Stage({ maxConnections: 1 }, true);
  stage.arrive(1);
  stage.arrive(2); // in the line behind it
  const settled = stage.gate.settled();
  stage.gate.close();
  await settled;
  assert.deepEqual(stage.news().filter((what) => what !== "room"), [
    "rejected 192.0.2.2:80 max-connections",
    "rejected 192.0.2.1:80 proxy-protocol end",
  ]);
  assert.equal(stage.table.waiting, 0);
});
