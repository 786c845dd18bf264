import assert from "node:assert/strict";
import { build, digest, toolchain } from "../../.release/machine_code.ts";
import {
  LIBRARY,
  SOURCES,
  TOOLCHAIN,
} from "../../src/zygote/machine_code/library.ts";
import { test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";

test("machine code: what is carried was made of the C code beside it", async () => {
  assert.equal(
    await digest(),
    SOURCES,
    "the C code has changed: run deno task machine-code",
  );
});

test("machine code: the library needs nothing, and no part of it is writable and executable", () => {
  const { segments, symbols } = read(Uint8Array.fromBase64(LIBRARY));
  assert.ok(segments.length > 0);
  for (const { flags } of segments) assert.notEqual(flags & 3, 3); // PF_X, PF_W
  for (const { name, section, binding } of symbols) {
    assert.ok(
      section !== 0 || binding === WEAK,
      `${name} is nowhere defined`,
    );
  }
});

test(
  "machine code: what is carried is what the compiler makes of the C code, byte by byte",
  async () => {
    const to = await Deno.makeTempFile({ suffix: ".so" });
    try {
      const built = await build(to);
      const found = await toolchain();
      if (found === TOOLCHAIN) {
        assert.equal(built.toBase64(), LIBRARY);
      } else {
        const line =
          `SKIPPED: comparing the machine code byte by byte: made by ${TOOLCHAIN}, here is ${found}\n`;
        Deno.stderr.writeSync(new TextEncoder().encode(line));
        assert.deepEqual(
          read(built).symbols.map(({ name }) => name).sort(),
          read(Uint8Array.fromBase64(LIBRARY)).symbols.map(({ name }) => name)
            .sort(),
        );
      }
    } finally {
      Deno.removeSync(to);
    }
  },
  {
    ignore: missing("building the machine code", "gcc", "ld") ||
      Deno.build.arch !== "x86_64",
  },
);

/** Says what a clock that does not exist is slept by: 0 where nothing is slept, EINVAL where the kernel is asked. */
const SLEEPER = `
const [library] = Deno.args;
const { symbols } = Deno.dlopen(library, {
  clock_nanosleep: { parameters: ["i32", "i32", "buffer", "pointer"], result: "i32" },
});
const sleep = (seconds, nanoseconds, flags = 0) =>
  symbols.clock_nanosleep(99, flags, new BigInt64Array([seconds, nanoseconds]), null);
const seen = () => [sleep(0n, 50_000_000n), sleep(0n, 100_000_000n), sleep(1n, 0n), sleep(0n, 1n, 1)];
const before = seen();
const name = (name) => Deno.writeTextFileSync("/proc/self/comm", name);
name("mpserv:zygote");
const after = seen();
console.log(JSON.stringify([before, after]));
`;

test(
  "machine code: a short sleep is none until the process has a zygote's name",
  async () => {
    const to = await Deno.makeTempFile({ suffix: ".so" });
    try {
      Deno.writeFileSync(to, Uint8Array.fromBase64(LIBRARY));
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["eval", SLEEPER, to],
      }).output();
      const EINVAL = 22;
      assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), [
        [0, EINVAL, EINVAL, EINVAL],
        [EINVAL, EINVAL, EINVAL, EINVAL],
      ]);
    } finally {
      Deno.removeSync(to);
    }
  },
  { ignore: Deno.build.os !== "linux" || Deno.build.arch !== "x86_64" },
);

const LOAD = 1, DYNAMIC = 2; // elf.h: PT_LOAD, PT_DYNAMIC
const HASH = 4, STRINGS = 5, SYMBOLS = 6; // DT_HASH, DT_STRTAB, DT_SYMTAB
const WEAK = 2;

/** The segments and the dynamic symbols of a library (elf(5)). */
function read(bytes: Uint8Array<ArrayBuffer>) {
  const view = new DataView(bytes.buffer);
  const word = (at: number) => Number(view.getBigUint64(at, true));
  const headers = Array.from({ length: view.getUint16(56, true) }, (_, i) => {
    const at = word(32) + 56 * i;
    const [type, flags] = [
      view.getUint32(at, true),
      view.getUint32(at + 4, true),
    ];
    return { type, flags, offset: word(at + 8), size: word(at + 32) };
  });
  const dynamic = headers.find(({ type }) => type === DYNAMIC)!;
  const entries = new Map<number, number>();
  for (let at = 0; at < dynamic.size; at += 16) {
    entries.set(word(dynamic.offset + at), word(dynamic.offset + at + 8));
  }
  // All tables lie in the first segment, where addresses are places in the file.
  const count = view.getUint32(entries.get(HASH)! + 4, true);
  const symbols = Array.from({ length: count - 1 }, (_, i) => {
    const at = entries.get(SYMBOLS)! + 24 * (i + 1);
    const start = entries.get(STRINGS)! + view.getUint32(at, true);
    const name = bytes.subarray(start, bytes.indexOf(0, start));
    return {
      name: new TextDecoder().decode(name),
      binding: bytes[at + 4]! >> 4,
      section: view.getUint16(at + 6, true),
    };
  });
  return {
    segments: headers.filter(({ type }) => type === LOAD),
    symbols,
  };
}
