/** What a zygote does to its memory between forks leaves what its children are made of as it was. */
import assert from "node:assert/strict";
import { abi } from "../../src/posix/abi.ts";
import { PosixError } from "../../src/posix/errno.ts";
import { openDescriptors } from "../../src/posix/fd.ts";
import type { Rebirth } from "../../src/zygote/birth.ts";
import { ForkMemory } from "../../src/zygote/fork_memory.ts";
import type { MachineCode } from "../../src/zygote/machine_code/machine_code.ts";
import { rehearseBirth, rehearseChild } from "../../src/zygote/warm_up.ts";
import type { ChildOptions } from "../../src/wire/child_options.ts";
import { startServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

/** Of more forks than it takes until the zygote is warm and has settled twice. */
const CLIENTS = 400;
const AT_ONCE = 8;

test(
  "fork: a zygote that has settled its memory serves on, every byte, from mappings that are few",
  async () => {
    await using server = await startServer({ model: "fork" });
    const client = async (number: number) => {
      const bytes = crypto.getRandomValues(new Uint8Array(1 + number * 37));
      using conn = await connect(server.port);
      assert.deepEqual(await exchange(conn, bytes), bytes);
    };
    for (let done = 0; done < CLIENTS; done += AT_ONCE) {
      await Promise.all(
        Array.from({ length: AT_ONCE }, (_, i) => client(done + i)),
      );
    }
    const [zygote] = server.children().filter(({ comm }) =>
      comm === "mpserv:zygote"
    );
    // For the next four forks after it has settled, each page that children need is a mapping of its own: hundreds.
    await until("it has settled, and few mappings are left", async () => {
      await client(1);
      const maps = Deno.readTextFileSync(`/proc/${zygote!.pid}/maps`)
        .trimEnd().split("\n");
      return maps.some((line) => line.includes("mpserv-memory")) &&
        maps.length < 250;
    });
    assert.deepEqual(server.log.where(/^Zygote \d+ ended/), []);
  },
  { ignore: Deno.build.os !== "linux" || Deno.build.arch !== "x86_64" },
);

/** As when descriptors of the same user, whoever sent them, are in flight by the thousand: unix(7). */
function refuse(): never {
  throw new PosixError("sendmsg", abi.errno.ETOOMANYREFS!);
}

test("fork: a rehearsal that the system refuses ends no zygote", () => {
  const steps: number[] = [];
  const code = {
    mpserv_memory: (which: number) => {
      if (which > 1) steps.push(which);
      return 0;
    },
  } as Partial<MachineCode> as MachineCode;
  const memory = new ForkMemory(code, refuse);
  for (let forks = 0; forks < 31; forks++) memory.forked();
  assert.deepEqual(steps, [2, 3, 4, 5]); // it settles, lets go twice, and joins
});

test("fork: the fence of children stands again after a rehearsal that the system refuses", () => {
  let isArmed = true;
  const fence = {
    arm: () => void (isArmed = true),
    disarm: () => [isArmed, isArmed = false][0]!,
    putUp: refuse,
  };
  const rebirth: Rebirth = {
    reactor: null,
    lostThreads: false,
    signals: new Uint8Array(8),
    name: "mpserv",
  };
  const before = openDescriptors().length;
  assert.throws(
    () => rehearseChild({ rebirth, fence }, null, {} as ChildOptions),
    { code: "ETOOMANYREFS" },
  );
  assert.ok(isArmed);
  assert.equal(openDescriptors().length, before);
  assert.throws(
    () => rehearseBirth(rebirth, fence, {} as ChildOptions).next(),
    {
      code: "ETOOMANYREFS",
    },
  );
  assert.ok(isArmed);
});
