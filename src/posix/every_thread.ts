/**
 * System calls on every thread of this process. Credentials belong to a thread: what one gives up, the
 * others keep, and an idle thread of the runtime's pool would open any file for whoever gives it work. The
 * C library does the same for `setuid(2)`, and libcap's psx for capabilities: each other thread is sent a
 * signal, whose handler makes the calls.
 *
 * JavaScript cannot run there, so the handler is a few instructions of machine code in a page of its own.
 * Each processor's were written by an assembler (`as`); the source stands beside the bytes. With it a process gives up its capabilities.
 *
 * @module
 */
import { addressOf } from "./abi.ts";
import { check, errno, PosixError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { write } from "./io.ts";
import { cLibrary } from "./libc.ts";
import { listProcDirectory, readProcFile } from "./proc.ts";
import { type Processor, systemCalls } from "./seccomp/system_call_numbers.ts";
import { hasCapability } from "./users.ts";

const libc = cLibrary(
  "capset",
  "getpid",
  "memfd_create",
  "mmap",
  "poll",
  "prctlNumbers",
  "signal",
  "systemCall",
);

/** A system call; what its arguments point to must last until {@linkcode onEveryThread} returns. */
interface EveryCall {
  /** Its name, as in `system_call_numbers.ts`. */
  readonly call: string;
  /** Its arguments, at most five. */
  readonly args: readonly bigint[];
}

/** The last real-time signal, asm-generic/signal.h: neither the C library nor the runtime uses it. */
const SIGNAL = 64;
const SIG_DFL = 0n;
const MFD_CLOEXEC = 1; // linux/memfd.h
const PROT_READ_EXEC = 5; // asm-generic/mman-common.h
const MAP_PRIVATE = 2;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn; // sys/mman.h
/** How often a thread's answer is looked for: at once, and then each millisecond. */
const QUICK_LOOKS = 1_000;
const LOOKS = 10_000;

// What the handler reads and writes, in words: how many calls there are; whether it is done; what the
// call that failed returned, and how many were left then; then six words a call.
const COUNT = 0, DONE = 1, RESULT = 2, LEFT = 3, CALLS = 4;
const CALL_WORDS = 6;
const MOST_CALLS = 80;

const CODE: Readonly<
  Record<Processor, (data: bigint) => Uint8Array<ArrayBuffer>>
> = {
  x86_64: (data) =>
    bytesOf(`
      48bb ${littleEndian(data)}   ; movabs rbx, data
      488b2b                       ; mov rbp, [rbx]
      4c8d6320                     ; lea r12, [rbx+32]
      4885ed                       ; 1: test rbp, rbp
      7435                         ; jz 2f
      498b0424                     ; mov rax, [r12]
      498b7c2408                   ; mov rdi, [r12+8]
      498b742410                   ; mov rsi, [r12+16]
      498b542418                   ; mov rdx, [r12+24]
      4d8b542420                   ; mov r10, [r12+32]
      4d8b442428                   ; mov r8, [r12+40]
      0f05                         ; syscall
      4885c0                       ; test rax, rax
      7809                         ; js 3f
      4983c430                     ; add r12, 48
      48ffcd                       ; dec rbp
      ebce                         ; jmp 1b
      48894310                     ; 3: mov [rbx+16], rax
      48896b18                     ; mov [rbx+24], rbp
      48c7430801000000             ; 2: mov qword [rbx+8], 1
      c3                           ; ret`),
  aarch64: (data) =>
    bytesOf(`
      53020058  ; ldr x19, data
      740240f9  ; ldr x20, [x19]
      75820091  ; add x21, x19, #32
      740100b4  ; 1: cbz x20, 2f
      a80240a9  ; ldp x8, x0, [x21]
      a10a41a9  ; ldp x1, x2, [x21, #16]
      a31242a9  ; ldp x3, x4, [x21, #32]
      010000d4  ; svc #0
      8000f8b7  ; tbnz x0, #63, 3f
      b5c20091  ; add x21, x21, #48
      940600d1  ; sub x20, x20, #1
      f8ffff17  ; b 1b
      600a00f9  ; 3: str x0, [x19, #16]
      740e00f9  ; str x20, [x19, #24]
      290080d2  ; 2: mov x9, #1
      6a220091  ; add x10, x19, #8
      49fd9fc8  ; stlr x9, [x10]
      c0035fd6  ; ret
      ${littleEndian(data)}`),
};

const numbers = systemCalls(Deno.build.arch);
const nothing = new Uint8Array(0);
/** Held for good: a handler's address is in the kernel. */
let handler: { words: BigInt64Array<ArrayBuffer>; address: bigint } | null =
  null;

/**
 * Makes system calls on every thread of this process, this one last. Threads that these start have what the calls
 * gave or took. `calls`: what the other threads make, in this order; each must succeed. Null for nothing. Throws
 * `PosixError` when one is refused: some threads may have made it by then. Throws `TypeError` when a thread does not
 * answer.
 */
export function onEveryThread(
  calls: readonly EveryCall[] | null,
  own: readonly EveryCall[],
): void {
  if (calls !== null && otherThreads().length > 0) onOthers(calls);
  for (const one of own) {
    const [number, a, b, c, d, e] = wordsOf(one);
    check(libc.systemCall?.(number, a, b, c, d, e) ?? -1, one.call);
  }
}

type Words = [bigint, bigint, bigint, bigint, bigint, bigint];

function wordsOf({ call, args }: EveryCall): Words {
  const number = numbers.get(call);
  if (number === undefined) throw new TypeError(`Not a call: "${call}"`);
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n] = args;
  return [BigInt(number), a, b, c, d, e];
}

function onOthers(calls: readonly EveryCall[]): void {
  const { words, address } = handler ??= makeHandler();
  words[COUNT] = BigInt(calls.length);
  calls.forEach((call, i) => words.set(wordsOf(call), CALLS + CALL_WORDS * i));
  // Safety: the page of code and the words that it uses are there for good.
  libc.signal(SIGNAL, address);
  const handled = new Set<string>();
  for (;;) {
    const others = otherThreads().filter((id) => !handled.has(id));
    if (others.length === 0) break;
    for (const id of others) {
      words[DONE] = words[RESULT] = 0n;
      if (!signalThread(id)) continue; // it has ended
      awaitThread(id, words);
      if (words[RESULT] !== 0n) {
        const failed = calls[calls.length - Number(words[LEFT])]!;
        throw new PosixError(failed.call, -Number(words[RESULT]));
      }
      handled.add(id);
    }
  }
  libc.signal(SIGNAL, SIG_DFL);
}

function awaitThread(id: string, words: BigInt64Array): void {
  for (let look = 0; words[DONE] === 0n; look++) {
    if (look > QUICK_LOOKS + LOOKS) {
      throw new TypeError(`Thread ${id} (${nameOf(id)}) does not answer`);
    }
    libc.poll(nothing, 0, look < QUICK_LOOKS ? 0 : 1);
    if (look > QUICK_LOOKS && !otherThreads().includes(id)) return;
  }
}

const TGKILL = BigInt(numbers.get("tgkill")!);

function signalThread(id: string): boolean {
  const process = BigInt(libc.getpid());
  const sent = libc.systemCall?.(
    TGKILL,
    process,
    BigInt(id),
    BigInt(SIGNAL),
    0n,
    0n,
  );
  if (sent === 0) return true;
  const error = new PosixError("tgkill", errno());
  if (error.code === "ESRCH") return false;
  throw error;
}

function otherThreads(): string[] {
  const own = String(libc.getpid());
  return listProcDirectory("/proc/self/task").filter((id) => id !== own);
}

function nameOf(id: string): string {
  try {
    return readProcFile(`/proc/self/task/${id}/comm`).trim();
  } catch {
    return "ended";
  }
}

/** A page of code in a nameless file, mapped to be run and never to be written. */
function makeHandler(): NonNullable<typeof handler> {
  const words = new BigInt64Array(CALLS + CALL_WORDS * MOST_CALLS);
  const code = CODE[Deno.build.arch](addressOf(new Uint8Array(words.buffer)));
  const name = new TextEncoder().encode("mpserv-threads\0");
  const number = libc.memfd_create?.(name, MFD_CLOEXEC) ?? -1;
  using file = new Fd(check(number, "memfd_create")); // the mapping keeps what it holds
  check(write(file.number, code), "write");
  const address = libc.mmap(
    0n,
    BigInt(code.length),
    PROT_READ_EXEC,
    MAP_PRIVATE,
    file.number,
    0n,
  );
  if (address === MAP_FAILED) throw new PosixError("mmap", errno());
  return { words, address };
}

/** The bytes of a listing: hexadecimal, without what follows a semicolon. */
function bytesOf(listing: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(listing.replaceAll(/;.*|\s/g, ""));
}

function littleEndian(word: bigint): string {
  return new Uint8Array(new BigUint64Array([word]).buffer).toHex();
}

/* Root's power in parts, and giving it up: capabilities(7) (Linux). They belong to a thread. */

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
 * The calls by which a thread gives up for good what root has more than others, whatever this process or what it
 * starts becomes: every set of capabilities, and what being user 0 gives a program. Call it while FFI permission still
 * stands. None where the system has no capabilities.
 */
export function callsWithoutCapabilities(): EveryCall[] {
  const { prctlNumbers, capset } = libc;
  if (!prctlNumbers || !capset) return [];
  const calls: EveryCall[] = [{
    call: "prctl",
    args: [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0n, 0n, 0n],
  }];
  if (hasCapability("setpcap")) {
    const bits = lockedBits(
      prctlNumbers(PR_GET_SECUREBITS, 0n, 0n, 0n, 0n),
    );
    calls.push(...boundingSet(), {
      call: "prctl",
      args: [PR_SET_SECUREBITS, BigInt(bits), 0n, 0n, 0n],
    });
  }
  calls.push({ call: "capset", args: [addressOf(header), addressOf(none)] });
  return calls;
}

/**
 * Gives up what no program is to get back, and keeps what this process has: before it becomes another user, who may
 * not give it up. Call it while FFI permission still stands. Throws `PosixError` when the system refuses. Throws
 * `TypeError` when a thread does not answer.
 */
export function giveUpBoundingSet(
  { threads = false }: { threads?: boolean } = {},
): void {
  const calls = hasCapability("setpcap") ? boundingSet() : [];
  if (calls.length > 0) onEveryThread(threads ? calls : null, calls);
}

function boundingSet(): EveryCall[] {
  const { prctlNumbers } = libc;
  const calls: EveryCall[] = [];
  for (
    let bit = 0n;
    prctlNumbers && prctlNumbers(PR_CAPBSET_READ, bit, 0n, 0n, 0n) >= 0;
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
