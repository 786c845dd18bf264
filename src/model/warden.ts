/**
 * Ending processes that make a system call which their sandbox does not know (`strict`). The kernel holds
 * such a process in the middle of its call until the parent has said in the log what it was; where the
 * parent is gone, the call fails.
 *
 * @module
 */
import { POLLHUP, POLLIN } from "../posix/abi.ts";
import type { Fd } from "../posix/fd.ts";
import {
  answerCall,
  nextWaitingCall,
  type WaitingCall,
} from "../posix/notifications.ts";
import { signalProcess } from "../posix/process.ts";
import { isOwnArchitecture, nameSystemCall } from "../posix/syscalls.ts";
import type { Watcher } from "../posix/watcher.ts";

const SIGKILL = 9;
const EACCES = 13; // asm-generic/errno-base.h

/**
 * Listens to a sandbox until the last process in it has ended.
 *
 * @param listener Where calls wait; closed at the end.
 * @param watcher Watches it.
 * @param trouble Is told what happened.
 * @param zygote A process in it that meets no stranger, and may do what it likes; 0 for none.
 */
export function guard(
  listener: Fd,
  watcher: Watcher,
  trouble: (what: string) => void,
  zygote = 0,
): void {
  watcher.watch(listener.number, POLLIN, (events) => {
    for (let call; (call = nextWaitingCall(listener.number)) !== null;) {
      if (call.pid === zygote) answerCall(listener.number, call, 0);
      else if (isOfRuntime(call)) answerCall(listener.number, call, EACCES);
      else {
        trouble(describe(call));
        signalProcess(call.pid, SIGKILL);
      }
    }
    if (!(events & POLLHUP)) return;
    watcher.unwatch(listener.number);
    listener.close();
  });
}

/** V8's own threads look how fast the processor is, and how many there are; they do without. */
function isOfRuntime({ isFirstThread, number, arch }: WaitingCall): boolean {
  return !isFirstThread && isOwnArchitecture(arch) &&
    nameSystemCall(number).startsWith("openat ");
}

function describe({ pid, number, arch }: WaitingCall): string {
  const call = isOwnArchitecture(arch)
    ? nameSystemCall(number)
    : `number ${number} of another architecture`;
  return `Process ${pid} made a system call that its sandbox does not allow: ${call}: it is ended`;
}
