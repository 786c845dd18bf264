/**
 * Root's power in parts, and giving it up: capabilities(7) (Linux). They belong to a thread.
 *
 * @module
 */
import { type EveryCall, onEveryThread } from "./every_thread.ts";
import { cLibrary } from "./libc.ts";
import { addressOf } from "./seccomp/filter.ts";
import { hasCapability } from "./users.ts";

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
/** struct __user_cap_data_struct {u32 effective, permitted, inheritable} twice. */
const none = new Uint8Array(24);

/**
 * Gives up for good what root has more than others, whatever this process or what it starts becomes: every
 * set of capabilities, and what being user 0 gives a program. Call it while FFI permission still stands. Does
 * nothing where the system has no capabilities.
 *
 * @throws {PosixError} When the system refuses.
 * @throws {TypeError} When a thread does not answer.
 */
export function giveUpCapabilities(
  { threads = false }: { threads?: boolean } = {},
): void {
  const { prctlNumbers, capset } = libc;
  if (!prctlNumbers || !capset) return;
  const calls: EveryCall[] = [{
    call: "prctl",
    args: [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0n, 0n, 0n],
  }, ...boundingSet()];
  if (hasCapability("setpcap")) {
    const bits = lockedBits(
      prctlNumbers(PR_GET_SECUREBITS, 0n, 0n, 0n, 0n),
    );
    calls.push({
      call: "prctl",
      args: [PR_SET_SECUREBITS, BigInt(bits), 0n, 0n, 0n],
    });
  }
  calls.push({ call: "capset", args: [addressOf(header), addressOf(none)] });
  onEveryThread(threads ? calls : null, calls);
}

/**
 * Gives up what no program is to get back, and keeps what this process has: before it becomes another user,
 * who may not give it up. Call it while FFI permission still stands.
 *
 * @throws {PosixError} When the system refuses.
 * @throws {TypeError} When a thread does not answer.
 */
export function giveUpBoundingSet(
  { threads = false }: { threads?: boolean } = {},
): void {
  const calls = boundingSet();
  if (calls.length > 0) onEveryThread(threads ? calls : null, calls);
}

function boundingSet(): EveryCall[] {
  const { prctlNumbers } = libc;
  const calls: EveryCall[] = [];
  if (!prctlNumbers || !hasCapability("setpcap")) return calls;
  for (
    let bit = 0n;
    prctlNumbers(PR_CAPBSET_READ, bit, 0n, 0n, 0n) >= 0;
    bit++
  ) {
    calls.push({ call: "prctl", args: [PR_CAPBSET_DROP, bit, 0n, 0n, 0n] });
  }
  return calls;
}

/** Whatever is locked already stays as it is. */
function lockedBits(current: number): number {
  const wanted = SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP |
    SECBIT_NO_CAP_AMBIENT_RAISE;
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
