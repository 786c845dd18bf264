/** The lines for those who follow a server, without a server: who gets which. */
import assert from "node:assert/strict";
import { EventLines, type ServerEvent } from "../../src/control/event_lines.ts";
import type { Session } from "../../src/control/session.ts";
import type { ServerReceiver } from "../../src/server/events.ts";
import { test } from "../helpers/testing.ts";

test("events: nobody is heard while nobody follows, and each gets all of it until it goes", () => {
  const receivers = new Set<ServerReceiver>();
  let resumed = 0;
  const lines = new EventLines({
    tell: (receiver) => {
      receivers.add(receiver);
      return () => receivers.delete(receiver);
    },
  });
  const session = () => ({ resume: () => resumed++ }) as unknown as Session;
  const [one, two] = [session(), session()];
  lines.takenOver(); // nobody hears it
  assert.equal(receivers.size, 0);
  const first = lines.follow(one).pieces;
  const second = lines.follow(two).pieces;
  assert.equal(receivers.size, 1);
  assert.match(first.next().value!, /^\{"ok":true,"pid":\d+,.*\}\n$/);
  assert.equal(first.next().value, "", "nothing has happened");
  for (const receiver of receivers) receiver.trouble?.("what");
  assert.match(first.next().value!, /^\{"event":"trouble",[^\n]*\}\n$/);
  lines.ended(one);
  lines.ended(one);
  assert.equal(receivers.size, 1);
  second.next();
  assert.match(second.next().value!, /"trouble"/);
  lines.ended(two);
  assert.equal(receivers.size, 0);
});

test("events: what a child says of its times stays within what the parent knows", () => {
  let receiver: ServerReceiver | undefined;
  const lines = new EventLines({
    tell: (told) => {
      receiver = told;
      return () => {};
    },
  });
  const session = { resume() {} } as unknown as Session;
  const { pieces } = lines.follow(session);
  pieces.next();
  const acceptedAt = performance.now();
  const live = { id: 1, peer: "192.0.2.1:1", via: undefined, pid: 7 };
  const connection = { ...live, acceptedAt, takenAt: acceptedAt };
  for (const at of [0, 1, Number.MAX_SAFE_INTEGER]) {
    receiver!.accepted!(connection);
    receiver!.connected!(connection, { at, since: at });
    const events: ServerEvent[] = pieces.next().value!.trim().split("\n")
      .map((line: string) => JSON.parse(line));
    const times = events.map(({ at }) => at);
    assert.deepEqual(times, times.toSorted((a, b) => a - b), `${at}`);
    const took = events.at(-1)!;
    assert.ok(took.event === "took" && took.at <= took.heard);
  }
  lines.ended(session);
});

test("events: who asks for a part gets each connection whole or not at all, and is told what it misses", () => {
  let receiver!: ServerReceiver;
  const lines = new EventLines({
    tell: (told) => {
      receiver = told;
      return () => {};
    },
  });
  const sessions = [1, 2].map(() => ({ resume() {} }) as unknown as Session);
  const part = lines.follow(sessions[0]!, 3).pieces;
  const all = lines.follow(sessions[1]!).pieces;
  part.next();
  all.next();
  const when = { at: 1, since: 1 };
  const outcome = {
    ...{ bytesIn: 1, bytesOut: 1, reason: "closed" as const, text: "" },
  };
  const start = performance.now();
  const play = (ids: number[], milliseconds: number) => {
    const now = start + milliseconds;
    const live = ids.map((id) => ({
      ...{ id, peer: "192.0.2.1:1", via: undefined, pid: 100 + id },
      ...{ acceptedAt: now, takenAt: now },
    }));
    for (const one of live) receiver.accepted!(one);
    for (const one of live) receiver.handed!(one, one.pid, milliseconds);
    for (const one of live) receiver.connected!(one, when);
    for (const one of live) receiver.disconnected!(one, outcome, 1, when);
    for (const { pid } of live) {
      receiver.removed!(pid, { code: 0, signal: null });
    }
  };
  const read = (pieces: Iterator<string>): ServerEvent[] =>
    pieces.next().value.trim().split("\n").map((line: string) =>
      JSON.parse(line)
    );
  const NAMES = [
    ...["accepted", "handed", "forked", "took", "half-closed", "done"],
    "reaped",
  ];
  const tells = (events: ServerEvent[], ids: number[]) => {
    for (const id of ids) {
      const own = events.filter((event) =>
        ("id" in event && event.id === id) ||
        (event.event === "reaped" && event.pid === 100 + id)
      );
      assert.deepEqual(own.map(({ event }) => event), NAMES, `${id}`);
    }
    const told = events.filter(({ event }) => event !== "skipped");
    assert.equal(told.length, NAMES.length * ids.length);
  };
  const missed = (events: ServerEvent[]) =>
    events.flatMap((event) => event.event === "skipped" ? [event.count] : []);

  play([1, 2, 3, 4, 5], 10_000);
  receiver.rejected!("192.0.2.1:9", "rate");
  receiver.trouble!("what");
  const first = read(part).filter(({ event }) => event !== "trouble");
  tells(first, [1, 2, 3]);
  assert.deepEqual(missed(first), [2 * NAMES.length + 1]);
  // Two thirds of a second bring two; a pause brings no more than three.
  play([6, 7, 8], 10_700);
  tells(read(part), [6, 7]);
  play([9, 10, 11, 12], 60_000);
  tells(read(part), [9, 10, 11]);
  // A process that served one that was left out is told of, once it serves one that is not.
  play([8], 120_000);
  tells(read(part), [8]);
  const others = ["refused", "trouble"];
  const whole = read(all).filter(({ event }) => !others.includes(event));
  assert.deepEqual(missed(whole), []);
  assert.equal(whole.length, 13 * NAMES.length);
  for (const session of sessions) lines.ended(session);
});
