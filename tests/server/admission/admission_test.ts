import assert from "node:assert/strict";
import fc from "fast-check";
import { parseIpv4, parseIpv6 } from "../../../src/posix/net/address.ts";
import {
  Admission,
  type AdmissionOptions,
  type Ticket,
} from "../../../src/server/admission.ts";
import { parseNetwork } from "../../../src/server/networks.ts";
import { test } from "../../helpers/testing.ts";
import { UNLIMITED } from "../played_model.ts";

const ip = (text: string) => (parseIpv4(text) ?? parseIpv6(text))!;
const networks = (...texts: string[]) => texts.map(parseNetwork);
const admission = (options: Partial<AdmissionOptions>) =>
  new Admission({ ...UNLIMITED, ...options });

/** Admits, or fails. */
function admit(gate: Admission, from: string, now = 0): Ticket {
  const ticket = gate.admit(ip(from), now);
  assert.equal(typeof ticket, "object", `${from}: ${ticket}`);
  return ticket as Ticket;
}

test("admission: without limits everybody comes in, and nothing is remembered of sources", () => {
  const gate = admission({});
  for (let i = 0; i < 100; i++) admit(gate, "192.0.2.1");
  assert.deepEqual([gate.active, gate.sources], [100, 0]);
});

test("admission: maxConnections refuses, and frees with each ticket, once", () => {
  const gate = admission({ maxConnections: 2, overload: "refuse" });
  const first = admit(gate, "192.0.2.1");
  admit(gate, "192.0.2.2");
  assert.equal(gate.wait(0), 0); // they are taken off the backlog to be refused
  assert.equal(gate.admit(ip("192.0.2.3"), 0), "max-connections");
  gate.release(first);
  gate.release(first);
  assert.equal(gate.active, 1);
  admit(gate, "192.0.2.3");
  assert.equal(gate.admit(null, 0), "max-connections");
});

test("admission: wait leaves them in the backlog until a ticket, or a token, is there", () => {
  const rate = { count: 1, per: 1000, burst: 2 };
  const gate = admission({ maxConnections: 2, rate, overload: "wait" });
  const first = admit(gate, "192.0.2.1");
  admit(gate, "192.0.2.1");
  assert.equal(gate.wait(0), Infinity);
  gate.release(first);
  assert.equal(gate.wait(0), 1000);
  assert.equal(gate.wait(1000), 0);
});

test("admission: maxPerSource counts an IPv4 address and an IPv6 /64", () => {
  const gate = admission({ maxPerSource: 1 });
  const ticket = admit(gate, "192.0.2.1");
  assert.equal(gate.admit(ip("192.0.2.1"), 0), "max-per-source");
  admit(gate, "192.0.2.2");
  admit(gate, "2001:db8::1");
  assert.equal(gate.admit(ip("2001:db8::ffff:1"), 0), "max-per-source");
  admit(gate, "2001:db8:0:1::1");
  gate.release(ticket);
  admit(gate, "192.0.2.1");
});

test("admission: sourcePrefix groups addresses", () => {
  const sourcePrefix = { ipv4: 24, ipv6: 56 };
  const gate = admission({ maxPerSource: 1, sourcePrefix });
  admit(gate, "192.0.2.1");
  assert.equal(gate.admit(ip("192.0.2.200"), 0), "max-per-source");
  admit(gate, "2001:db8::1");
  assert.equal(gate.admit(ip("2001:db8:0:ff::1"), 0), "max-per-source");
  admit(gate, "2001:db8:0:100::1");
});

test("admission: ratePerSource concerns one source alone, and heals by itself", () => {
  const gate = admission({ ratePerSource: { count: 2, per: 1000, burst: 2 } });
  admit(gate, "192.0.2.1");
  admit(gate, "192.0.2.1");
  assert.equal(gate.admit(ip("192.0.2.1"), 0), "rate-per-source");
  admit(gate, "192.0.2.2");
  admit(gate, "192.0.2.1", 500);
});

test("admission: who is refused takes nothing from anybody", () => {
  const rate = { count: 3, per: 1000, burst: 3 };
  const limits = { maxPerSource: 1, rate, ratePerSource: rate };
  const gate = admission({ ...limits, overload: "refuse" });
  admit(gate, "192.0.2.1");
  for (let i = 0; i < 50; i++) {
    assert.equal(gate.admit(ip("192.0.2.1"), 0), "max-per-source");
  }
  admit(gate, "192.0.2.2");
  admit(gate, "192.0.2.3");
  assert.equal(gate.admit(ip("192.0.2.4"), 0), "rate");
  assert.deepEqual([gate.active, gate.sources], [3, 3]);
});

test("admission: of allow and deny the more specific counts, of equals deny", () => {
  const gate = admission({
    allow: networks("10.1.0.0/16", "10.2.0.0/16", "10.0.0.9"),
    deny: networks("10.0.0.0/8", "10.1.2.0/24", "10.2.0.0/16"),
  });
  assert.equal(gate.check(ip("10.1.1.1"), 0), null);
  assert.equal(gate.check(ip("10.1.2.1"), 0), "denied");
  assert.equal(gate.check(ip("10.2.0.1"), 0), "denied");
  assert.equal(gate.check(ip("10.0.0.9"), 0), null);
  assert.equal(gate.check(ip("10.9.9.9"), 0), "denied");
  assert.equal(gate.check(ip("192.0.2.1"), 0), "denied"); // there is a list of who may
  assert.equal(gate.check(ip("::1"), 0), "denied");
  const open = admission({ deny: networks("10.0.0.0/8") });
  assert.equal(open.check(ip("192.0.2.1"), 0), null);
  assert.equal(open.check(ip("10.1.1.1"), 0), "denied");
});

test("admission: no limit concerns the exempt, and they do not count; deny does", () => {
  const gate = admission({
    maxConnections: 1,
    maxPerSource: 1,
    rate: { count: 1, per: 1000, burst: 1 },
    overload: "refuse",
    exempt: networks("192.0.2.0/24"),
    deny: networks("192.0.2.66"),
  });
  for (let i = 0; i < 5; i++) gate.release(admit(gate, "192.0.2.1"));
  for (let i = 0; i < 5; i++) admit(gate, "192.0.2.1");
  assert.deepEqual([gate.active, gate.sources], [0, 0]);
  assert.equal(gate.admit(ip("192.0.2.66"), 0), "denied");
  admit(gate, "198.51.100.1");
});

test("admission: a client whom a proxy names is checked when it is named", () => {
  const gate = admission({
    maxConnections: 2,
    overload: "refuse",
    maxPerSource: 1,
    deny: networks("10.0.0.0/8"),
    exempt: networks("192.0.2.9"),
  });
  const unnamed = () => gate.admitUnidentified(0) as Ticket;
  const first = unnamed(), second = unnamed();
  assert.equal(gate.admitUnidentified(0), "max-connections");
  assert.equal(gate.identify(first, ip("192.0.2.1"), 0), null);
  assert.equal(gate.identify(second, ip("192.0.2.1"), 0), "max-per-source");
  gate.release(second);
  const third = unnamed();
  assert.equal(gate.identify(third, ip("10.0.0.1"), 0), "denied");
  gate.release(third);
  const fourth = unnamed();
  assert.equal(gate.identify(fourth, ip("192.0.2.9"), 0), null);
  assert.equal(gate.active, 1); // its slot is free again
  gate.release(fourth);
  gate.release(first);
  assert.deepEqual([gate.active, gate.sources], [0, 0]);
});

test("admission: whatever comes and goes, counts fit who is in, limits hold, and nothing is left", () => {
  const gateOptions = {
    maxConnections: 5,
    maxPerSource: 2,
    overload: "refuse",
    ratePerSource: { count: 5, per: 1000, burst: 3 },
  } as const;
  const action = fc.record({
    source: fc.constantFrom("192.0.2.1", "192.0.2.2", "2001:db8::1"),
    leave: fc.boolean(),
    pause: fc.integer({ min: 0, max: 300 }),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const gate = admission(gateOptions);
      const inside: { source: string; ticket: Ticket }[] = [];
      let now = 0;
      for (const { source, leave, pause } of actions) {
        now += pause;
        if (leave) {
          const one = inside.shift();
          if (one) gate.release(one.ticket);
        } else {
          const ticket = gate.admit(ip(source), now);
          if (typeof ticket === "object") inside.push({ source, ticket });
        }
        assert.equal(gate.active, inside.length);
        assert.ok(inside.length <= 5);
        const same = inside.filter((one) => one.source === source);
        assert.ok(same.length <= 2);
      }
      for (const { ticket } of inside) gate.release(ticket);
      gate.sweep(now + 1000);
      assert.deepEqual([gate.active, gate.sources], [0, 0]);
    }),
    { seed: 5 },
  );
});

test("admission: what is remembered of sources is bounded, and goes away", () => {
  const gate = admission({ ratePerSource: { count: 1, per: 1000, burst: 1 } });
  for (let i = 0; i < 70_000; i++) {
    const from = Uint8Array.of(10, i >> 16, i >> 8, i);
    gate.release(gate.admit(from, 0) as Ticket);
  }
  assert.equal(gate.sources, 65_536);
  gate.sweep(1000);
  assert.equal(gate.sources, 0);
});
