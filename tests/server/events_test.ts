import assert from "node:assert/strict";
import { tellAll } from "../../src/server/events.ts";
import { test } from "../helpers/testing.ts";

test("tellAll: every receiver hears what it wants, in order, as itself", () => {
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
  const events = tellAll([
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
