/** What the kernel keeps about a pool's process that rewinds: it is put back, or the process replaced. */
import assert from "node:assert/strict";
import { reasons, say, serveText } from "../helpers/handler_server.ts";
import { test, until } from "../helpers/testing.ts";
import { cannotRewind, CHECKED, LIBC, rewinding } from "./rewinding.ts";

/**
 * What the kernel keeps about a process: what a handler says of it when it comes, changes then, and what becomes of its
 * process. With `ffi` a handler does to it what no JavaScript can.
 */
interface Kept {
  readonly grant?: string;
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
    grant: "read",
    finds: `Deno.cwd() === "/tmp"`,
    does: `Deno.chdir("/tmp")`,
  },
  "its mask of permissions": {
    grant: "sys",
    finds: `Deno.umask(0o77) === 0o77`,
    does: `0`,
  },
  "its environment": {
    grant: "env",
    finds: `Deno.env.get("LEFT") !== undefined`,
    does: `Deno.env.set("LEFT", "1")`,
  },
  "its listeners for signals": {
    finds: `false`,
    does:
      `Deno.addSignalListener("SIGTERM", () => {}); Deno.addSignalListener("SIGUSR1", () => {})`,
  },
  "an open connection": {
    grant: "net",
    finds: `false`,
    does:
      `const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }); const one = await Deno.connect(listener.addr); void one.read(new Uint8Array(1)).catch(() => {})`,
  },
  "an open file, and a lock on it": {
    grant: "read,write",
    before: `const path = Deno.makeTempFileSync();`,
    finds: `!(await Promise.race([
      (async () => { const f = await Deno.open(path, { read: true, write: true }); f.lockSync(true); return true; })(),
      new Promise((r) => setTimeout(() => r(false), 5000))]))`,
    does: `0`,
  },
  "a program that has ended": {
    grant: "run",
    finds: `false`,
    does: `await new Deno.Command("true").output()`,
  },
  "a program that runs on": {
    grant: "run",
    finds: `false`,
    does: `new Deno.Command("sleep", { args: ["600"] }).spawn()`,
    replaced: "a process that it started runs on",
  },
  "a descriptor that was closed": {
    grant: "ffi",
    before: LIBC,
    finds: `false`,
    does: `libc("close", ["i32"], "i32")(0)`,
    replaced: "a descriptor was closed or replaced",
  },
  "a descriptor that was put over another": {
    grant: "ffi",
    before: LIBC,
    finds: `false`,
    does: `libc("dup2", ["i32", "i32"], "i32")(4, 0)`,
    replaced: "a descriptor was closed or replaced",
  },
  "its priority": {
    grant: "sys",
    before: `import os from "node:os";`,
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
    grant: "ffi",
    before: LIBC,
    finds: `/7654321000-/.test(maps())`,
    does:
      `libc("mmap", ["u64", "usize", "i32", "i32", "i32", "i64"], "u64")(0x7654321000n, 4096n, 3, 0x32, -1, 0n); libc("malloc", ["usize"], "pointer")(1n << 20n); libc("sbrk", ["i64"], "u64")(1n << 20n)`,
  },
  "a mapping that was taken away": {
    grant: "ffi",
    before: `${LIBC}
      const map = libc("mmap", ["u64", "usize", "i32", "i32", "i32", "i64"], "u64");
      const at = map(0n, 65536n, 3, 0x22, -1, 0n);
      const bytes = () => new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(at), 65536));
      bytes().fill(9);`,
    finds: `bytes().some((byte) => byte !== 9)`,
    does: `libc("munmap", ["u64", "usize"], "i32")(at, 65536n)`,
  },
  "a protection, and what was written behind it": {
    grant: "ffi",
    before: `${LIBC}
      const map = libc("mmap", ["u64", "usize", "i32", "i32", "i32", "i64"], "u64");
      const at = map(0n, 65536n, 3, 0x22, -1, 0n);
      const bytes = () => new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(at), 65536));
      bytes().fill(9);`,
    finds: `bytes().some((byte) => byte !== 9)`,
    does:
      `bytes().fill(1); libc("mprotect", ["u64", "usize", "i32"], "i32")(at, 65536n, 1)`,
  },
  "its mask of signals": {
    grant: "ffi",
    before: `${LIBC}
      const mask = (set) => { const old = new Uint8Array(128); libc("sigprocmask", ["i32", "buffer", "buffer"], "i32")(0, set, old); return old[1]; };`,
    finds: `(mask(new Uint8Array(128)) & 0x40) !== 0`,
    does: `const set = new Uint8Array(128); set[1] = 0x40; mask(set)`,
  },
  "a timer of the kernel": {
    grant: "ffi",
    before: LIBC,
    finds: `libc("alarm", ["u32"], "u32")(0) !== 0`,
    does: `libc("alarm", ["u32"], "u32")(1000)`,
  },
};

for (const [what, kept] of Object.entries(KEPT)) {
  const { grant, finds, does, replaced, before = "", reason = /^closed/ } =
    kept;
  test(
    `rewind: ${what} is ${
      replaced
        ? "seen, and the process replaced"
        : "gone when the next connection comes"
    }`,
    async () => {
      const text = `${before}
      export default async (c) => {
        const found = ${finds};
        await c.write(new TextEncoder().encode(Deno.pid + " " + found));
        await c.closeWrite?.();
        ${does};
      };`;
      await using serving = await serveText("pool", text, [
        ...["--rewind", "on"],
        ...grant ? ["--grant", grant] : [],
      ], CHECKED);
      const { server } = serving;
      const rounds = 12, pids = new Set<string>();
      for (let i = 1; i <= rounds; i++) {
        const [pid, found] = (await say(server.port, "")).split(" ");
        assert.equal(found, "false", `connection ${i}`);
        pids.add(pid!);
        await server.log.waitForCount("client disconnected...", i);
        await until("its process is named as before, with one thread", () => {
          if (replaced) return true;
          const status = Deno.readTextFileSync(`/proc/${pid}/status`);
          return /^Name:\tmpserv:conn$/m.test(status) &&
            /^Threads:\t1$/m.test(status) &&
            !/^SigCgt:.*[4-7].{3}$/m.test(status);
        });
      }
      for (const ended of await reasons(server, rounds)) {
        assert.match(ended, reason);
      }
      const state = await rewinding(server);
      assert.deepEqual(
        [state.rewound, state.replaced],
        replaced ? [0, { [replaced]: rounds }] : [rounds, {}],
      );
      if (replaced) assert.equal(pids.size, rounds);
      else assert.ok(pids.size <= 2, `${pids.size} processes`);
    },
    { ignore: cannotRewind },
  );
}
