import assert from "node:assert/strict";
import { regionsOf } from "../../src/zygote/settle.ts";
import { test } from "../helpers/testing.ts";

/** A region as `/proc/self/smaps` shows it: `anonymous` in KiB. */
function shown(head: string, anonymous: number): string {
  return `${head}\nSize: 0 kB\nRss: 0 kB\nAnonymous: ${anonymous} kB\nVmFlags: rd wr\n`;
}

/** The regions that are chosen, as they are written in `/proc/PID/maps`. */
function chosen(smaps: string): string[] {
  return regionsOf(smaps).written.map(({ start, end }) =>
    `${start.toString(16)}-${end.toString(16)}`
  );
}

test("regionsOf: takes heaps and data that were mostly written", () => {
  const smaps = shown("1000000-1100000 rw-p 00000000 00:00 0 [heap]", 900) +
    shown("2000000-2100000 r--p 00000000 00:00 0 ", 1024) +
    shown("3000000-3100000 rw-p 00001000 08:01 77 /usr/bin/x", 600);
  assert.deepEqual(chosen(smaps), [
    "1000000-1100000",
    "2000000-2100000",
    "3000000-3100000",
  ]);
});

test("regionsOf: leaves stacks, code, shared, small and mostly untouched memory", () => {
  const smaps = shown("1000000-1100000 rw-p 00000000 00:00 0 [stack]", 1024) +
    shown("2000000-2100000 r-xp 00000000 00:00 0 ", 1024) +
    shown("3000000-3100000 rwxp 00000000 00:00 0 ", 1024) +
    shown("4000000-4100000 rw-s 00000000 00:01 9 /memfd:x (deleted)", 1024) +
    shown("5000000-5010000 rw-p 00000000 00:00 0 ", 60) +
    shown("6000000-6200000 rw-p 00000000 00:00 0 ", 100);
  assert.deepEqual(chosen(smaps), []);
  assert.equal(regionsOf(smaps).stack, 0x1000000n);
});

test("regionsOf: takes what was settled before, once, however little was written since", () => {
  const path = "/memfd:mpserv-memory (deleted)";
  const smaps = shown(`1000000-1100000 rw-p 00000000 00:01 9 ${path}`, 0) +
    shown(`2000000-2100000 rw-p 00100000 00:01 9 ${path}`, 1024);
  assert.deepEqual(chosen(smaps), ["1000000-1100000", "2000000-2100000"]);
});
