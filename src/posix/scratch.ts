/**
 * Small buffers that C functions read and write, side by side. In a forked process the first write to
 * a page copies it: a dozen buffers wherever the allocator had room would cost a dozen pages a child,
 * and the zygote as many after each fork; side by side they cost one or two.
 *
 * @module
 */

import { ceil, RangeError, SafeBytes, SafeView } from "./intrinsics.ts";

const PAGE = 4096;
const ALIGNMENT = 8; // of the widest number in any structure of ours

let page = new SafeBytes(0);
let used = 0;

/**
 * Takes room for a buffer that lasts as long as the process. `size`: in bytes, at most a page. Throws `RangeError`
 * when it is larger than a page.
 */
export function scratch(size: number): Uint8Array<ArrayBuffer> {
  if (size > PAGE) {
    throw new RangeError(`Cannot take ${size} bytes of a page of ${PAGE}`);
  }
  if (used + size > page.length) {
    page = alignedPage();
    used = 0;
  }
  const start = used;
  used += ceil(size / ALIGNMENT) * ALIGNMENT;
  return page.subarray(start, start + size);
}

/** The same memory, seen as numbers. */
export function viewOf(bytes: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new SafeView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function alignedPage(): Uint8Array<ArrayBuffer> {
  const room = new SafeBytes(2 * PAGE);
  const past = Number(addressOf(room) % BigInt(PAGE));
  const start = past === 0 ? 0 : PAGE - past;
  return room.subarray(start, start + PAGE);
}

/**
 * Where it is; 0 when FFI permission was given up before, which costs a page more.
 *
 * Safety: the address is only looked at, never used to reach memory.
 */
function addressOf(room: Uint8Array<ArrayBuffer>): bigint {
  try {
    return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(room)));
  } catch {
    return 0n;
  }
}
