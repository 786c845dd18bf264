/** What a connection leaves behind in a pool's process, and what the next one finds: nothing. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { reasons, say, serveText } from "../helpers/handler_server.ts";
import { runCommand } from "../helpers/command.ts";
import { isCompiled } from "../helpers/handler_file.ts";
import { killNow } from "../helpers/processes.ts";
import { startServer } from "../helpers/server.ts";
import { test, until } from "../helpers/testing.ts";

import { cannotRewind, CHECKED, LIBC, rewinding } from "./rewinding.ts";

const LEAVER = fileURLToPath(new URL("handlers/leaver.mjs", import.meta.url));
const MIX = fileURLToPath(new URL("handlers/mix.mjs", import.meta.url));
const UNDER_FILTER = fileURLToPath(
  new URL("../helpers/under_filter.ts", import.meta.url),
);
const FULL = Deno.env.get("MPSERV_TEST_FULL") !== undefined;

test(
  "rewind: a handler finds nothing of what others left by all that JavaScript has, and its process is the same",
  async () => {
    await using server = await startServer({
      model: "pool",
      args: ["--handler", LEAVER, "--rewind", "on"],
      env: CHECKED,
    });
    const random = new Set<string>();
    const pids = new Set<number>();
    const rounds = FULL ? 200 : 16;
    for (let i = 0; i < rounds; i++) {
      const answer = JSON.parse(await say(server.port, `secret ${i}`));
      assert.deepEqual(answer.before, [], `connection ${i}`);
      for (const drawn of answer.random) random.add(String(drawn));
      pids.add(answer.pid);
    }
    assert.equal(random.size, 3 * rounds);
    assert.ok(pids.size <= 2, "its two processes served all of them");
    await server.log.waitForCount("client disconnected...", rounds);
    for (const reason of await reasons(server, rounds)) {
      assert.equal(reason, "closed");
    }
    const { isOn, rewound, replaced } = await rewinding(server, rounds);
    assert.deepEqual({ isOn, rewound, replaced }, {
      isOn: true,
      rewound: rounds,
      replaced: {},
    });
  },
  { ignore: cannotRewind },
);

const RANDOM =
  `import { randomBytes, randomUUID, randomInt } from "node:crypto";
  export default async (c) => {
    const drawn = [Math.random(), crypto.getRandomValues(new Uint32Array(2)).join("."), crypto.randomUUID(),
      randomBytes(8).toString("hex"), randomUUID(), randomInt(2 ** 47)];
    const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]);
    drawn.push(new Uint8Array(await crypto.subtle.exportKey("raw", key)).toHex());
    await c.write(new TextEncoder().encode(drawn.join(" ")));
  };`;

test(
  "rewind: random numbers of every kind differ from connection to connection",
  async () => {
    await using serving = await serveText("pool", RANDOM, ["--rewind", "on"]);
    const rounds = FULL ? 10_000 : 20;
    const seen = new Set<string>();
    let kinds = 0;
    for (let i = 0; i < rounds; i++) {
      const drawn = (await say(serving.server.port, "")).split(" ");
      kinds = drawn.length;
      for (const one of drawn) seen.add(one);
    }
    assert.equal(kinds, 7);
    assert.equal(seen.size, kinds * rounds);
    assert.equal(
      (await rewinding(serving.server, rounds)).rewound,
      rounds,
    );
  },
  { ignore: cannotRewind },
);

for (const sandbox of ["strict", "default"]) {
  test(
    `rewind: services and handlers under --sandbox ${sandbox}, and no page differs`,
    async () => {
      for (const handler of [[], ["--handler", MIX]]) {
        await using server = await startServer({
          model: "pool",
          args: [...handler, "--rewind", "on", "--sandbox", sandbox],
          env: CHECKED,
        });
        const rounds = FULL ? 60 : 16;
        for (let i = 0; i < rounds; i++) {
          const way = String.fromCharCode(65 + i % 8); // as the handler takes its first byte
          const word = way + `word ${i} `.repeat(1 + i ** 3);
          assert.equal(await say(server.port, word), word);
        }
        await server.log.waitForCount("client disconnected...", rounds);
        const { rewound, replaced } = await rewinding(server, rounds);
        assert.deepEqual({ rewound, replaced }, {
          rewound: rounds,
          replaced: {},
        });
      }
    },
    { ignore: cannotRewind },
  );
}

test(
  "rewind: the self-check finds a page that is not what it was",
  async () => {
    // The first page that is copied back is what this puts into its copy.
    const text = `${LIBC}
    const COPIES = 0x500000800000n;
    const bytes = () => new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(COPIES), 4096));
    export default async (c) => {
      await c.write(new TextEncoder().encode("served"));
      bytes()[4095] ^= 1;
    };`;
    const args = ["--rewind", "on", "--grant", "ffi"];
    await using serving = await serveText("pool", text, args, CHECKED);
    const { server } = serving;
    for (let i = 1; i <= 3; i++) {
      assert.equal(await say(server.port, ""), "served");
      await server.log.waitForCount("client disconnected...", i);
    }
    const { rewound, replaced } = await rewinding(server, 3);
    assert.deepEqual({ rewound, replaced }, {
      rewound: 0,
      replaced: { "its memory differs (MPSERV_REWIND_CHECK)": 3 },
    });
    assert.deepEqual(await reasons(server, 3), ["closed", "closed", "closed"]);
  },
  { ignore: cannotRewind },
);

test(
  "rewind: what cannot be had is told, and the pool is as it was, or there is none",
  async () => {
    const through = [
      ...[Deno.execPath(), "run", "--quiet", "-A", UNDER_FILTER],
      "without-pagemap-scan",
    ];
    const reason =
      /its memory could not be looked through \(PAGEMAP_SCAN, Linux 6\.7\)/;
    await using server = await startServer({ model: "pool", through });
    const [line] = server.log.where(/^listening on /);
    assert.match(String(line!.rewind), reason);
    assert.equal(
      await say(server.port, "served all the same"),
      "served all the same",
    );
    const { isOn, why } = await rewinding(server);
    assert.equal(isOn, false);
    assert.match(why, reason);
    const { code, stderr } = await runCommand(
      ["serve", "0", "--model", "pool", "--workers", "1", "--rewind", "on"],
      { through },
    );
    assert.equal(code, 1);
    assert.match(stderr, reason);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  },
  { ignore: cannotRewind || isCompiled },
);

test(
  "rewind: off is off, and a process has what the last connection left",
  async () => {
    await using serving = await serveText(
      "pool",
      `let count = 0;
    export default (c) => c.write(new TextEncoder().encode(String(count++)));`,
      ["--rewind", "off", "--workers", "1"],
    );
    const { server } = serving;
    for (let i = 0; i < 3; i++) {
      assert.equal(
        await say(server.port, ""),
        `${i}`,
      );
    }
    const { isOn, why, rewound } = await rewinding(server);
    assert.deepEqual({ isOn, why, rewound }, {
      isOn: false,
      why: "",
      rewound: 0,
    });
    assert.equal(server.log.where(/^listening on /)[0]!.rewind, "off");
  },
  { ignore: cannotRewind },
);

test(
  "rewind: processes that are killed at any moment cost no connection that they had not taken",
  async () => {
    await using server = await startServer({
      model: "pool",
      args: ["--rewind", "on", "--workers", "3"],
    });
    const rounds = FULL ? 200 : 60, clients = 4;
    let next = 0, whole = 0, cut = 0;
    const client = async () => {
      for (let i; (i = next++) < rounds;) {
        if (i % 4 === 0) killOne(i); // at whatever it is then
        const word = `client ${i}`;
        const answer = await say(server.port, word).catch(() => "");
        if (answer === word) whole++;
        else {
          assert.ok(word.startsWith(answer), answer);
          cut++;
        }
      }
    };
    const killOne = (i: number) => {
      const workers = server.children().filter(({ comm }) =>
        comm === "mpserv:conn"
      );
      const victim = workers[i % workers.length];
      if (victim) killNow(victim.pid);
    };
    await Promise.all(Array.from({ length: clients }, client));
    const { log } = server;
    await until("all of them have ended", () => ended().length === rounds);
    function ended() {
      return log.lines.filter(({ message }) =>
        /^client (disconnected|refused)/.test(message)
      );
    }
    // Whose answer was cut had been taken by a process that was killed; who was refused had none so often.
    const lost = ended().filter(({ reason }) =>
      !/^(closed|reset)/.test(`${reason}`)
    );
    assert.equal(whole + cut, rounds);
    assert.ok(lost.length >= cut, `${lost.length} lost, ${cut} cut`);
  },
  { ignore: cannotRewind },
);
