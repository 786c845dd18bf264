/**
 * Ending processes that make a system call which their sandbox does not know (`strict`). The kernel holds
 * such a process in the middle of its call until the parent has said in the log what it was; where the
 * parent is gone, the call fails.
 *
 * @module
 */
import { abi, SIGNALS } from "../posix/abi.ts";
import type { Fd } from "../posix/fd.ts";
import { WaitingCall } from "../posix/seccomp/notifications.ts";
import { descriptorTarget } from "../posix/proc.ts";
import {
  isOwnArchitecture,
  nameSystemCall,
} from "../posix/seccomp/system_call_numbers.ts";
import type { Watcher } from "../posix/watcher.ts";

const EACCES = 13; // asm-generic/errno-base.h

/** The additional calls that a process may make until it is ready: loading code opens files. */
const LOADING = [
  ...["openat", "open", "readlink", "readlinkat", "getdents64", "getcwd"],
  ...["stat", "statx", "lstat", "newfstatat", "access", "faccessat"],
  ...["faccessat2", "memfd_create", "prctl", "seccomp", "statfs", "fstatfs"],
  ...["prlimit64", "sched_setaffinity", "tgkill", "landlock_restrict_self"],
];

/** The calls with which the runtime tries to cache compiled code: they are refused. */
const CACHING = [
  ...["mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink"],
  ...["unlinkat", "chmod", "fchmod", "ftruncate", "fallocate", "flock"],
  ...["fsync", "fdatasync", "utimensat", "link", "linkat"],
];

/** A process that loads code in its sandbox. */
interface Loading {
  readonly pid: number;
  /** Whether it may do nothing any more that it needs for that. */
  readonly isReady: boolean;
  /** Whether it runs only our code once it is ready: a zygote. */
  readonly isZygote: boolean;
}

/**
 * Listens to a sandbox until the last process in it has ended. `listener`: where calls wait; closed at the end, or at
 * once if it is anything else.
 */
export function guard(
  listener: Fd,
  watcher: Watcher,
  trouble: (what: string) => void,
  loading: () => Loading,
): void {
  if (descriptorTarget(listener.number) !== "anon_inode:seccomp notify") {
    return listener.close();
  }
  watcher.watch(listener.number, abi.POLLIN, (events) => {
    for (let call; (call = WaitingCall.next(listener.number)) !== null;) {
      using process = call.process;
      const answer = answerOf(call, loading()) ??
        (isOfRuntime(call) ? EACCES : null);
      if (answer !== null) call.answer(answer);
      else {
        trouble(describe(call));
        process.signal(SIGNALS.SIGKILL);
      }
    }
    if (!(events & abi.POLLHUP)) return;
    watcher.unwatch(listener.number);
    listener.close();
  });
}

/** 0 for a call that may be made, or the error with which it fails; null for one that ends its process. */
function answerOf(call: WaitingCall, process: Loading): number | null {
  if (call.process.pid !== process.pid || !isOwnArchitecture(call.arch)) {
    return null;
  }
  if (process.isReady) return process.isZygote ? 0 : null;
  const name = nameSystemCall(call.number).split(" ", 1)[0]!;
  if (LOADING.includes(name)) return 0;
  return CACHING.includes(name) ? EACCES : null;
}

/** V8's own threads look how fast the processor is, and how many there are; they do without. */
function isOfRuntime({ isFirstThread, number, arch }: WaitingCall): boolean {
  return !isFirstThread && isOwnArchitecture(arch) &&
    nameSystemCall(number).startsWith("openat ");
}

function describe({ process, number, arch }: WaitingCall): string {
  const call = isOwnArchitecture(arch)
    ? nameSystemCall(number)
    : `number ${number} of another architecture`;
  return `Killed process ${process.pid}: its sandbox does not allow the system call ${call}`;
}
