/**
 * System calls that wait for a decision, as whoever listens to a filter sees them
 * (seccomp_unotify(2), Linux 5.8 or later).
 *
 * @module
 */
import { abi } from "../abi.ts";
import { poll } from "../io.ts";
import { cLibrary } from "../libc.ts";
import { ProcessHandle } from "../pidfd.ts";
import { readProcFile } from "../proc.ts";

const libc = cLibrary("ioctl");

// linux/seccomp.h: _IOWR('!', 0, struct seccomp_notif), _IOWR('!', 1, struct seccomp_notif_resp),
// _IOW('!', 2, __u64)
const SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100n;
const SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101n;
const SECCOMP_IOCTL_NOTIF_ID_VALID = 0x40082102n;
/** `struct seccomp_notif` {u64 id; u32 pid, flags; struct seccomp_data {int nr; u32 arch; …}}. */
const NOTIFICATION = { size: 80, id: 0, thread: 8, number: 16, arch: 20 };

/** `struct seccomp_notif_resp` {u64 id; s64 val; s32 error; u32 flags}. */
const RESPONSE = { size: 24, error: 16, flags: 20 };
const FLAG_CONTINUE = 1;

/** A call that waits; whoever takes it closes its process. */
export class WaitingCall {
  readonly #listener: number;
  /** The id to answer with. */
  readonly #id: Uint8Array<ArrayBuffer>;
  readonly process: ProcessHandle;
  readonly isFirstThread: boolean;
  readonly number: number;
  /** The processor's kind, `AUDIT_ARCH_*` of linux/audit.h: numbers differ between them. */
  readonly arch: number;

  private constructor(
    listener: number,
    notification: Uint8Array<ArrayBuffer>,
  ) {
    const view = new DataView(notification.buffer);
    const thread = view.getUint32(NOTIFICATION.thread, true);
    const pid = processOf(thread);
    this.#listener = listener;
    this.#id = notification.subarray(NOTIFICATION.id, NOTIFICATION.id + 8);
    this.process = new ProcessHandle(pid, () => true);
    this.isFirstThread = pid === thread;
    this.number = view.getInt32(NOTIFICATION.number, true);
    this.arch = view.getUint32(NOTIFICATION.arch, true);
  }

  /** Takes the next call that waits; null when none waits any more. */
  static next(listener: number): WaitingCall | null {
    const [ready] = poll([{ fd: listener, events: abi.POLLIN }], 0); // or reading could block
    if (!ready || !(ready & abi.POLLIN)) return null;
    const bytes = new Uint8Array(NOTIFICATION.size); // the kernel wants zeros
    if (libc.ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, bytes) < 0) return null;
    const call = new WaitingCall(listener, bytes);
    // Whoever waits is still there: the number meant no other process when it was looked at.
    if (libc.ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, call.#id) < 0) {
      call.process.close();
      return null;
    }
    return call;
  }

  /**
   * The call is made after all, or fails. To let a call through is right only for a process that no stranger has
   * reached: its arguments may change until it is made. `error`: what it fails with, an error number; 0 lets it through.
   */
  answer(error: number): void {
    const response = new Uint8Array(RESPONSE.size);
    const view = new DataView(response.buffer);
    response.set(this.#id);
    view.setInt32(RESPONSE.error, -error, true);
    view.setUint32(RESPONSE.flags, error === 0 ? FLAG_CONTINUE : 0, true);
    libc.ioctl(this.#listener, SECCOMP_IOCTL_NOTIF_SEND, response); // fails when it has ended
  }
}

/** A thread's process. */
function processOf(thread: number): number {
  try {
    const status = readProcFile(`/proc/${thread}/status`);
    return Number(/^Tgid:\s*(\d+)$/m.exec(status)?.[1] ?? thread);
  } catch {
    return thread; // it has ended, and so does whoever asks find
  }
}
