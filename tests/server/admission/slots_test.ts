import assert from "node:assert/strict";
import type { Ticket } from "../../../src/server/admission.ts";
import { Slots } from "../../../src/server/slots.ts";
import { test } from "../../helpers/testing.ts";

const ticket = (): Ticket => ({ counts: true, source: null });

test("Slots: a ticket is free when its process is reaped, not before, and once", () => {
  const free: Ticket[] = [], mine = ticket();
  const slots = new Slots((ticket) => free.push(ticket));
  slots.hold(1, mine);
  slots.reaped(100); // the pid of another
  slots.ended(1, 100);
  slots.ended(1, 100);
  assert.deepEqual(free, []);
  slots.reaped(100);
  slots.reaped(100);
  assert.deepEqual(free, [mine]);
});

test("Slots: where no process ends with its connection, a ticket is free with it", () => {
  const free: Ticket[] = [], mine = ticket();
  const slots = new Slots((ticket) => free.push(ticket));
  slots.hold(1, mine);
  slots.ended(1, 0);
  slots.reaped(0);
  assert.deepEqual(free, [mine]);
});
