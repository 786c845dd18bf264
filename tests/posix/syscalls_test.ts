/** The table of system calls, against the headers of this machine. */
import assert from "node:assert/strict";
import {
  nameSystemCall,
  type Processor,
  systemCalls,
} from "../../src/posix/seccomp/system_call_numbers.ts";
import { test } from "../helpers/testing.ts";

/** Where each processor's numbers stand; some of arm64's have a name in between. */
const HEADERS: Readonly<Record<Processor, string>> = {
  x86_64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  aarch64: "/usr/include/asm-generic/unistd.h",
};
/** asm-generic/unistd.h: with 64-bit numbers these are called otherwise. */
const SPELT: Readonly<Record<string, string>> = { fstatat: "newfstatat" };

for (const [processor, header] of Object.entries(HEADERS)) {
  const text = read(header);
  if (text === null) say(`SKIPPED: system calls of ${processor}: no ${header}`);
  test(
    `system calls (${processor}): have the numbers of ${header}`,
    () => {
      const own = systemCalls(processor as Processor);
      const line = /^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm;
      const others = ["syscalls", "arch_specific_syscall", "sync_file_range2"];
      let count = 0;
      for (const [, spelt, number] of text!.matchAll(line)) {
        const name = SPELT[spelt!] ?? spelt!;
        if (others.includes(name) || /time64/.test(name)) continue; // of 32 bits
        assert.equal(own.get(name), Number(number), name);
        count++;
      }
      assert.ok(count > 250, `${count}`);
    },
    { ignore: text === null },
  );
}

test("system calls: are named with their number", () => {
  const number = systemCalls(Deno.build.arch).get("openat")!;
  assert.equal(nameSystemCall(number), `openat (${number})`);
  assert.equal(nameSystemCall(9999), "number 9999");
});

function read(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return null;
  }
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
}
