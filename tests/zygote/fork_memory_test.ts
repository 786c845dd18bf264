/** What a zygote does to its memory between forks leaves what its children are made of as it was. */
import assert from "node:assert/strict";
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
