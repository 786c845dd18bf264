/**
 * The kernel's packet-filter machine (linux/filter.h), as far as filters of system calls use it.
 *
 * @module
 */

/** A call as a filter sees it: `struct seccomp_data`. */
export interface Call {
  readonly arch: number;
  readonly number: number;
  readonly args?: readonly number[];
}

/** Runs a filter for a call, by linux/filter.h. */
export function run(
  program: Uint8Array,
  { arch, number, args = [] }: Call,
): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, arch, true);
  args.forEach((arg, i) => data.setUint32(16 + 8 * i, arg, true));
  const code = new DataView(program.buffer);
  let value = 0;
  for (let at = 0; at < program.length; at += 8) {
    const operation = code.getUint16(at, true);
    const k = code.getUint32(at + 4, true);
    const jump = (holds: boolean) => {
      at += 8 * code.getUint8(at + (holds ? 2 : 3));
    };
    if (operation === 0x20) value = data.getUint32(k, true);
    else if (operation === 0x54) value = (value & k) >>> 0;
    else if (operation === 0x15) jump(value === k);
    else if (operation === 0x35) jump(value >= k);
    else if (operation === 0x45) jump((value & k) !== 0);
    else if (operation === 0x06) return k;
    else throw new TypeError(`Not an operation: ${operation}`);
  }
  throw new RangeError("The program has no end");
}
