/**
 * Root's power in parts, and giving it up: capabilities(7) (Linux). They belong to a thread.
 *
 * @module
 */
import { addressOf } from "./bpf.ts";
import { check } from "./errno.ts";
import { type EveryCall, onEveryThread } from "./every_thread.ts";
import { cLibrary } from "./libc.ts";
import { CAPABILITIES, type Capability, hasCapability } from "./users.ts";

const libc = cLibrary("capset", "prctlNumbers");

// linux/prctl.h
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24n;
const PR_GET_SECUREBITS = 27;
const PR_SET_SECUREBITS = 28n;
const PR_CAP_AMBIENT = 47n;
const PR_CAP_AMBIENT_CLEAR_ALL = 4n;

// linux/securebits.h: each bit is followed by the one that locks it
const SECBIT_NOROOT = 1 << 0;
const SECBIT_NO_SETUID_FIXUP = 1 << 2;
const SECBIT_KEEP_CAPS = 1 << 4;
const SECBIT_NO_CAP_AMBIENT_RAISE = 1 << 6;
const LAST_SECUREBIT = 1 << 6;

/** struct __user_cap_header_struct {u32 version; int pid}: _LINUX_CAPABILITY_VERSION_3, this thread. */
const header = new Uint8Array(new Uint32Array([0x20080522, 0]).buffer);
/** struct __user_cap_data_struct {u32 effective, permitted, inheritable} twice, the lower bits first. */
const none = new Uint8Array(24);
// Held here while the kernel knows their addresses.
const ofOthers = new Uint8Array(24);
const ofThisThread = new Uint8Array(24);

let isLimited = false;

/** What is kept for a while by {@linkcode limitCapabilities}. */
export interface Kept {
  /** By every thread: to become another user, which takes them away. */
  readonly everywhere?: readonly Capability[];
  /** By this thread alone, until {@linkcode giveUpCapabilities}. */
  readonly here?: readonly Capability[];
}

/**
 * Gives up for good what root has more than others, whatever this process or what it starts becomes:
 * the bounding, ambient and inheritable sets, and what being user 0 gives a program. Call it while FFI
 * permission still stands.
 *
 * @param kept What is not given up yet, as far as it is there.
 * @param options `threads`: every thread of this process (else this one alone).
 * @throws {PosixError} When the system refuses.
 * @throws {TypeError} When a thread does not answer.
 */
export function limitCapabilities(
  { everywhere = [], here = [] }: Kept = {},
  { threads = false }: { threads?: boolean } = {},
): void {
  const { prctlNumbers, capset } = libc;
  if (!prctlNumbers || !capset) return; // not Linux
  const calls: EveryCall[] = [{
    call: "prctl",
    args: [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0n, 0n, 0n],
  }];
  if (hasCapability("setpcap")) {
    for (
      let bit = 0n;
      prctlNumbers(PR_CAPBSET_READ, bit, 0n, 0n, 0n) >= 0;
      bit++
    ) {
      calls.push({ call: "prctl", args: [PR_CAPBSET_DROP, bit, 0n, 0n, 0n] });
    }
    const bits = lockedBits(
      prctlNumbers(PR_GET_SECUREBITS, 0n, 0n, 0n, 0n),
      everywhere.length > 0,
    );
    calls.push({
      call: "prctl",
      args: [PR_SET_SECUREBITS, BigInt(bits), 0n, 0n, 0n],
    });
  }
  const keep = (
    data: Uint8Array<ArrayBuffer>,
    names: readonly Capability[],
  ): EveryCall => {
    fill(data, names.filter(hasCapability)); // what is not there cannot be kept
    return { call: "capset", args: [addressOf(header), addressOf(data)] };
  };
  const own = [...calls, keep(ofThisThread, [...everywhere, ...here])];
  const theirs = [...calls, keep(ofOthers, everywhere)];
  onEveryThread(threads ? theirs : null, own);
  isLimited = true;
}

/**
 * Gives up what this thread has kept after {@linkcode limitCapabilities}; FFI permission may be gone. Does
 * nothing where nothing was limited.
 *
 * @throws {PosixError} When the system refuses.
 */
export function giveUpCapabilities(): void {
  const { capset } = libc;
  if (capset && isLimited) check(capset(header, none), "capset");
}

/** Whatever is locked already stays as it is. */
function lockedBits(current: number, isToChange: boolean): number {
  // Becoming another user must still take all capabilities away.
  const fixed = isToChange ? 0 : SECBIT_NO_SETUID_FIXUP;
  const wanted = SECBIT_NOROOT | fixed | SECBIT_NO_CAP_AMBIENT_RAISE;
  let bits = 0;
  for (let bit = 1; bit <= LAST_SECUREBIT; bit <<= 2) {
    const lock = bit << 1;
    const isLocked = (current & lock) !== 0;
    bits |= isLocked ? current & bit : wanted & bit;
    const locks = bit !== SECBIT_KEEP_CAPS || (current & bit) === 0;
    if (isLocked || locks) bits |= lock;
  }
  return bits;
}

function fill(
  data: Uint8Array<ArrayBuffer>,
  names: readonly Capability[],
): void {
  const bits = names.reduce((sum, name) => sum | 1 << CAPABILITIES[name], 0);
  new Uint32Array(data.buffer).set([bits, bits, 0, 0, 0, 0]);
}
