/** What the kernel keeps about a pool's process that rewinds: it is put back, or the process replaced. */
import assert from "node:assert/strict";
import { reasons, say, serveText } from "../helpers/handler_server.ts";
import type { TestServer } from "../helpers/server.ts";
import { until } from "../helpers/testing.ts";
import { cannotRewind, CHECKED, LIBC, rewinding } from "./rewinding.ts";

/**
 * What the kernel keeps about a process: what a handler says of it when it comes, changes then, and what becomes of its
 * process. With `ffi` a handler does to it what no JavaScript can.
 */
interface Kept {
  /** What it finds, an expression. */
  readonly finds: string;
  /** What it then does. */
  readonly does: string;
  /** Why its process is replaced; it is rewound without. */
  readonly replaced?: string;
  /** What the module says first. */
  readonly before?: string;
  /** How its connections end; `closed` without. */
  readonly reason?: RegExp;
}

const KEPT: Readonly<Record<string, Kept>> = {
  "its working directory": {
    finds: `Deno.cwd() === "/tmp"`,
    does: `Deno.chdir("/tmp")`,
  },
  "its mask of permissions": {
    finds: `Deno.umask(0o77) === 0o77`,
    does: `0`,
  },
  "its environment": {
    finds: `Deno.env.get("LEFT") !== undefined`,
    does: `Deno.env.set("LEFT", "1")`,
  },
  "its listeners for signals": {
    finds: `false`,
    does:
      `Deno.addSignalListener("SIGTERM", () => {}); Deno.addSignalListener("SIGUSR1", () => {})`,
  },
  "an open connection": {
    finds: `false`,
    does:
      `const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }); const one = await Deno.connect(listener.addr); void one.read(new Uint8Array(1)).catch(() => {})`,
  },
  "an open file, and a lock on it": {
    before: `const path = Deno.makeTempFileSync();`,
    finds: `!(await Promise.race([
      (async () => { const f = await Deno.open(path, { read: true, write: true }); f.lockSync(true); return true; })(),
      new Promise((r) => setTimeout(() => r(false), 5000))]))`,
    does: `0`,
  },
  "a program that has ended": {
    finds: `false`,
    does: `await new Deno.Command("true").output()`,
  },
  "a program that runs on": {
    finds: `false`,
    does: `new Deno.Command("sleep", { args: ["600"] }).spawn()`,
    replaced: "a process that it started runs on",
  },
  "a descriptor that was closed": {
    finds: `false`,
    does: `libc("close", ["i32"], "i32")(0)`,
    replaced: "a descriptor was closed or replaced",
  },
  "a descriptor that was put over another": {
    finds: `false`,
    does: `libc("dup2", ["i32", "i32"], "i32")(4, 0)`,
    replaced: "a descriptor was closed or replaced",
  },
  "what its event loop waits for": {
    finds: `false`,
    does: `
      const add = libc("epoll_ctl", ["i32", "i32", "i32", "buffer"], "i32");
      const nothing = new Uint8Array(12);
      for (let loop = 3; loop < 40; loop++) for (let fd = 3; fd < 40; fd++) add(loop, 1, fd, nothing)`,
    replaced: "its event loop waits for something else",
  },
  "its priority": {
    finds: `os.getPriority() === 13`,
    does: `os.setPriority(13)`,
    replaced: "its priority was changed",
  },
  "a worker that never ends": {
    before: `let busy = 0;`,
    finds: `busy > 0`,
    does: `busy++; const memory = new SharedArrayBuffer(8);
      const view = new Int32Array(memory);
      const code = "onmessage = (e) => { const v = new Int32Array(e.data); for (;;) Atomics.add(v, 0, 1); }";
      new Worker("data:application/javascript," + encodeURIComponent(code), { type: "module" }).postMessage(memory);
      while (Atomics.load(view, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1))`,
  },
  "an error that nobody caught": {
    before: `let thrown = 0;`,
    finds: `thrown > 0`,
    does:
      `thrown++; setTimeout(() => { throw new Error("left") }, 0); await new Promise(() => {})`,
    reason: /^error: Error: left/,
  },
  "a mapping, and memory of the C library's": {
    before: `const at = 0x600000000000n;`, // above all that a zygote reserves
    finds: `maps().includes("\\n600000000000-")`,
    does:
      `libc("mmap", ["u64", "usize", "i32", "i32", "i32", "i64"], "u64")(at, 4096n, 3, 0x32, -1, 0n); libc("malloc", ["usize"], "pointer")(1n << 20n); libc("sbrk", ["i64"], "u64")(1n << 20n)`,
  },
  "what was written to a mapping in a zygote's reserve, which stays mapped": {
    before: `const at = 0x7654321000n;
      const bytes = () => new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(at), 4096));`,
    finds: `maps().includes("\\n7654321000-") && bytes()[0] !== 0`,
    does:
      `libc("mmap", ["u64", "usize", "i32", "i32", "i32", "i64"], "u64")(at, 4096n, 3, 0x32, -1, 0n); bytes()[0] = 1`,
  },
  "a mapping that was taken away": {
    before: `
      const map = libc("mmap", ["u64", "usize", "i32", "i32", "i32", "i64"], "u64");
      const at = map(0n, 65536n, 3, 0x22, -1, 0n);
      const bytes = () => new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(at), 65536));
      bytes().fill(9);`,
    finds: `bytes().some((byte) => byte !== 9)`,
    does: `libc("munmap", ["u64", "usize"], "i32")(at, 65536n)`,
  },
  "a protection, and what was written behind it": {
    before: `
      const map = libc("mmap", ["u64", "usize", "i32", "i32", "i32", "i64"], "u64");
      const at = map(0n, 65536n, 3, 0x22, -1, 0n);
      const bytes = () => new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(at), 65536));
      bytes().fill(9);`,
    finds: `bytes().some((byte) => byte !== 9)`,
    does:
      `bytes().fill(1); libc("mprotect", ["u64", "usize", "i32"], "i32")(at, 65536n, 1)`,
  },
  "its mask of signals": {
    before: `
      const mask = (set) => { const old = new Uint8Array(128); libc("sigprocmask", ["i32", "buffer", "buffer"], "i32")(0, set, old); return old[1]; };`,
    finds: `(mask(new Uint8Array(128)) & 0x40) !== 0`,
    does: `const set = new Uint8Array(128); set[1] = 0x40; mask(set)`,
  },
  "a timer of the kernel": {
    finds: `libc("alarm", ["u32"], "u32")(0) !== 0`,
    does: `libc("alarm", ["u32"], "u32")(1000)`,
  },
};

const GRANTS = "read,write,env,sys,run,net,ffi";
const ALL = Object.values(KEPT);

/** A handler that does what its client says by number, having told what it finds. */
const HANDLER = `import os from "node:os";
${LIBC}
const all = [${
  ALL.map(({ before = "", finds, does }) =>
    `(() => {
      ${before}
      return { finds: async () => ${finds}, does: async () => { ${does}; } };
    })()`
  ).join(",\n")
}];
export default async (c) => {
  const word = new Uint8Array(8);
  const count = await c.read(word);
  const { finds, does } = all[Number(new TextDecoder().decode(word.subarray(0, count)))];
  await c.write(new TextEncoder().encode(Deno.pid + " " + await finds()));
  await c.closeWrite?.();
  await does();
};`;

/** Connections of each, all to one process: what the first left, the second would find. */
const ROUNDS = 2;

/** One server for all: a process that was not replaced has also been through those before. */
for (const isReplaced of [false, true]) {
  const those = ALL.entries().filter(([, { replaced }]) =>
    isReplaced === (replaced !== undefined)
  );
  const args = ["--rewind", "on", "--workers", "1", "--grant", GRANTS];
  Deno.test({
    name: `rewind: ${
      isReplaced
        ? "a process of which this is seen is replaced"
        : "this is gone when the next connection comes"
    }`,
    ignore: cannotRewind,
    fn: async (t) => {
      await using serving = await serveText("pool", HANDLER, args, CHECKED);
      let before = 0;
      for (const [which, kept] of those) {
        await t.step({
          name: Object.keys(KEPT)[which]!,
          fn: () => rewinds(serving.server, which, kept, before),
          sanitizeOps: false, // the log is read all the time
          sanitizeResources: false,
        });
        before += ROUNDS;
      }
    },
  });
}

/** Connects several times to see and do one thing, after so many connections before. */
async function rewinds(
  server: TestServer,
  which: number,
  { replaced, reason = /^closed/ }: Kept,
  before: number,
): Promise<void> {
  const first = await rewinding(server, before);
  const pids = new Set<string>();
  for (let i = 1; i <= ROUNDS; i++) {
    const [pid, found] = (await say(server.port, `${which}`)).split(" ");
    assert.equal(found, "false", `connection ${i}`);
    pids.add(pid!);
    await server.log.waitForCount("client disconnected...", before + i);
    await until("its process is named as before, with one thread", () => {
      if (replaced) return true;
      const status = Deno.readTextFileSync(`/proc/${pid}/status`);
      return /^Name:\tmpserv:conn$/m.test(status) &&
        /^Threads:\t1$/m.test(status) &&
        !/^SigCgt:.*[4-7].{3}$/m.test(status);
    });
  }
  const all = await reasons(server, before + ROUNDS);
  for (const ended of all.slice(before)) assert.match(ended, reason);
  const now = await rewinding(server, before + ROUNDS);
  const { [replaced ?? ""]: times = 0 } = now.replaced;
  assert.deepEqual(
    [
      now.rewound - first.rewound,
      times - (first.replaced[replaced ?? ""] ?? 0),
    ],
    replaced ? [0, ROUNDS] : [ROUNDS, 0],
  );
  if (replaced) assert.equal(pids.size, ROUNDS);
  else {
    assert.deepEqual(now.replaced, {});
    assert.equal(pids.size, 1);
  }
}
