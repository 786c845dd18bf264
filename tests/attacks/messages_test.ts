/** Whatever a connection process sends to the parent ends that process, and nothing else. */
import assert from "node:assert/strict";
import { REPORT_SIZE } from "../../src/wire/records.ts";
import { models } from "../helpers/server.ts";
import { randomBytes, test } from "../helpers/testing.ts";
import { hold, roundTrip } from "../helpers/wire_client.ts";
import { type Attack, attackAndEnd, report, startVictim } from "./attack.ts";

const one = (data: Uint8Array, descriptors: number): Attack => ({
  messages: [{ data, descriptors }],
});

const ATTACKS: Readonly<Record<string, Attack>> = {
  ...Object.fromEntries(
    [1, 2, 8, 9, 12, 252, 253].map((count) => [
      `${count} descriptors`,
      one(new Uint8Array(1), count),
    ]),
  ),
  "a report with a descriptor": one(report("done", 1), 1),
  "an empty message": one(new Uint8Array(0), 0),
  "an empty message with 12 descriptors": one(new Uint8Array(0), 12),
  "a message that is too long, with 12 descriptors": one(randomBytes(4000), 12),
  "many messages with many descriptors": {
    ...one(randomBytes(REPORT_SIZE), 200),
    times: 500,
  },
  "an empty message from a process that it forked": {
    messages: [{ data: new Uint8Array(0) }, { data: new Uint8Array(1) }],
    forks: true,
  },
};

for (const model of models()) {
  test(`messages (${model}): a process that sends what none of ours does is ended, and nobody else is harmed`, async () => {
    await using server = await startVictim(model);
    (await hold(server.port)).close(); // by the process that has proved the handler
    const before = await server.steadyDescriptors();
    {
      using other = await hold(server.port);
      const all = Object.entries(ATTACKS).filter(([, { forks }]) => !forks);
      // There each connection costs a runtime.
      const some = all.filter((_, at) => model !== "spawn" || at % 3 === 0);
      for (const [what, attack] of some) {
        await attackAndEnd(server.port, attack);
        assert.equal(await roundTrip(other), "hello", what);
        using next = await hold(server.port);
        assert.equal(await roundTrip(next), "hello", what);
      }
    }
    assert.deepEqual(await server.steadyDescriptors(), before);
    for (const { reason } of server.log.where("client disconnected...")) {
      assert.match(String(reason), /^(closed|killed: SIGKILL)$/);
    }
    assert.equal(server.log.where(/^Unexpected error/).length, 0);
  });
}
