/**
 * The clock that all processes of a machine share and nobody can set: `clock_gettime(2)`.
 *
 * @module
 */
import { abi } from "./abi.ts";
import { cLibrary } from "./libc.ts";
import { scratch, viewOf } from "./scratch.ts";

const libc = cLibrary("clock_gettime");
const timespec = scratch(16); // struct timespec {time_t tv_sec; long tv_nsec}
const fields = viewOf(timespec);
const { CLOCK_MONOTONIC } = abi;

/**
 * Microseconds since a moment before this machine's processes began. It makes no object, and on Linux it is no
 * system call (vdso(7)).
 */
export function monotonic(): number {
  libc.clock_gettime(CLOCK_MONOTONIC, timespec); // cannot fail: the clock is there, and so is the buffer
  const seconds = fields.getUint32(0, true) +
    fields.getUint32(4, true) * 0x1_0000_0000;
  return seconds * 1e6 + fields.getUint32(8, true) / 1e3;
}

/** The offset, in microseconds, from `performance.now()` to that clock. */
export function monotonicOffset(): number {
  // Of several looks the one that took least is the nearest.
  let best = { took: Infinity, offset: 0 };
  for (let i = 0; i < 8; i++) {
    const before = performance.now();
    const now = monotonic();
    const took = performance.now() - before;
    if (took < best.took) {
      best = { took, offset: now - 1e3 * (before + took / 2) };
    }
  }
  return best.offset;
}
