/**
 * Classic BPF programs (linux/filter.h): they say what a process may call, or what reaches a socket.
 *
 * @module
 */

/** Loads a 32-bit word from a fixed place. */
export const BPF_LD_W_ABS = 0x20; // linux/bpf_common.h
/** Loads a byte from a fixed place. */
export const BPF_LD_B_ABS = 0x30;
/** Keeps the bits of a mask. */
export const BPF_AND_K = 0x54;
/** Jumps by whether what was loaded equals a number. */
export const BPF_JEQ_K = 0x15;
/** Jumps by whether what was loaded is a number, or more. */
export const BPF_JGE_K = 0x35;
/** Jumps by whether what was loaded has one of some bits. */
export const BPF_JSET_K = 0x45;
/** Ends with a number. */
export const BPF_RET_K = 0x06;

/** One instruction, `struct sock_filter` {u16 code; u8 jt, jf; u32 k}. */
export type Instruction = readonly [
  code: number,
  jumpTrue: number,
  jumpFalse: number,
  k: number,
];

/**
 * Lays instructions out.
 *
 * @returns An array of `struct sock_filter`.
 */
export function assemble(
  program: readonly Instruction[],
): Uint8Array<ArrayBuffer> {
  const filter = new DataView(new ArrayBuffer(8 * program.length));
  program.forEach(([code, jumpTrue, jumpFalse, k], i) => {
    filter.setUint16(8 * i, code, true);
    filter.setUint8(8 * i + 2, jumpTrue);
    filter.setUint8(8 * i + 3, jumpFalse);
    filter.setUint32(8 * i + 4, k, true);
  });
  return new Uint8Array(filter.buffer);
}

/**
 * What a program is passed to the kernel as.
 *
 * @returns `struct sock_fprog` {unsigned short len; struct sock_filter *filter}.
 */
export function filterProgram(
  filter: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const program = [BigInt(filter.length / 8), addressOf(filter)];
  return new Uint8Array(new BigUint64Array(program).buffer);
}

/**
 * Where bytes are. Safety: valid while somebody holds them; for one synchronous call.
 */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}
