import assert from "node:assert/strict";
import { Audience } from "../../src/server/events.ts";
import { test } from "../helpers/testing.ts";

test("audience: every receiver hears what it wants, in order, as itself", () => {
  const heard: unknown[] = [];
  class Receiver {
    readonly #name: string;
    constructor(name: string) {
      this.#name = name;
    }
    rejected(peer: string, reason: string) {
      heard.push([this.#name, peer, reason]);
    }
  }
  const { events } = new Audience([
    new Receiver("first"),
    { draining: (live) => heard.push(["draining", live]) },
    new Receiver("last"),
  ]);
  events.rejected("192.0.2.1:1", "denied");
  events.trouble("that nobody hears");
  events.draining(3);
  assert.deepEqual(heard, [
    ["first", "192.0.2.1:1", "denied"],
    ["last", "192.0.2.1:1", "denied"],
    ["draining", 3],
  ]);
});

test("audience: who joins hears what happens from then on, until it leaves, also in the middle of a call", () => {
  const heard: string[] = [];
  const hears = (name: string) => ({
    trouble: (what: string) => heard.push(`${name}: ${what}`),
  });
  const audience = new Audience([hears("first")]);
  const { events } = audience;
  events.trouble("one");
  const leave = audience.join(hears("second"));
  events.trouble("two");
  const leaveLast = audience.join({ trouble: () => leave() });
  events.trouble("three");
  events.trouble("four");
  leave(); // again is harmless
  leaveLast();
  events.trouble("five");
  assert.deepEqual(heard, [
    "first: one",
    "first: two",
    "second: two",
    "first: three",
    "second: three",
    "first: four",
    "first: five",
  ]);
});
