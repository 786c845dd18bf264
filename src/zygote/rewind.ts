/**
 * Rewinding a worker's memory: before it takes its next connection, it is what it was before its first.
 *
 * 1. **The mark** (`machine_code/rewind.c`), once in each worker, before its first connection. What is
 *    private by then becomes the content of a nameless file, the image, mapped over itself, as in settling;
 *    what cannot, the stack above all, is copied. From then on a page that was written to can be told from
 *    one that was not: it is this process's own.
 * 2. **The rewind**, after each connection. Pages that were ever written to are copied back: no fault, no
 *    system call. When memory was missed as often as at the last look and no more is mapped, that was all.
 *    Otherwise mappings are made those of the mark, and the kernel is asked which pages are private now
 *    (PAGEMAP_SCAN, Linux 6.7): new ones are given back, beneath them lies what they were, and are copied
 *    back from then on. Threads end, descriptors are closed; what cannot be put back ends the worker.
 * 3. It goes on where the mark returned, by the registers of that moment: the machine code runs on a stack
 *    of its own, and calls nothing. JavaScript may be anything by then.
 *
 * The files of `/proc` that it reads are opened by the parent, so that the sandbox stays as closed as it is.
 *
 * @module
 */
import { type Rewinder, rewindsWith } from "../child/rewound.ts";
import { scratch, viewOf } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { Fd } from "../posix/fd.ts";
import { lengthOf } from "../posix/intrinsics.ts";
import { cLibrary } from "../posix/libc.ts";
import { openProcFile } from "../posix/proc.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import { MEMORY_FILES, REPORT_STATUS_AT } from "../wire/records.ts";
import type { MachineCode } from "./machine_code/machine_code.ts";

const libc = cLibrary("memfd_create", "prctlNumbers");

const MFD_CLOEXEC = 1; // linux/memfd.h
const PR_SET_THP_DISABLE = 41; // linux/prctl.h
/** Of `machine_code/rewind.h`. */
const FOR_HANDLER = 1, MAY_MORE = 2, CHECKS = 4;
/** `struct wishes`: flags, channel, status_at, the files, and what the zygote has settled. */
const FILES_AT = 3;
/** Of the zygote's file, for whoever looks into `/proc/PID/maps`. */
const NAME = "mpserv-memory";

/** What a zygote readies, whose workers rewind. */
export interface PreparedRewinding extends Rewinder {
  /**
   * Settles what the zygote has written, in clusters so fine that each worker's own memory is small; once,
   * before the first worker is forked.
   */
  settle(): void;
}

/**
 * Readies it; call it while FFI permission still stands and files can be opened.
 *
 * @returns Null where workers do not rewind.
 * @throws {PosixError} When the system refuses.
 */
export function prepareRewinding(
  code: MachineCode | null,
  options: ChildOptions,
): PreparedRewinding | null {
  const { memfd_create } = libc;
  if (options.rewinds === undefined || code === null || !memfd_create) {
    return null;
  }
  if (code.mpserv_make_context() < 0n) return null;
  libc.prctlNumbers?.(PR_SET_THP_DISABLE, 1n, 0n, 0n, 0n); // a page, once written to, is to be 4 KiB
  const { mpserv_mark, mpserv_rewind, mpserv_settle_finely } = code;
  const bytes = scratch(4 * (FILES_AT + MEMORY_FILES.length + 1));
  const wishes = viewOf(bytes);
  const setFile = (i: number, fd: number) =>
    wishes.setInt32(4 * (FILES_AT + i), fd, true);
  wishes.setInt32(0, flagsOf(options), true);
  wishes.setInt32(8, REPORT_STATUS_AT, true);
  // The zygote's own: its children get theirs.
  const own = new Map(
    (["pagemap", "maps"] as const).map((name) => [
      MEMORY_FILES.indexOf(name),
      openProcFile(`/proc/self/${name}`),
    ]),
  );
  const name = new TextEncoder().encode(`${NAME}\0`);
  const image = new Fd(checked(memfd_create(name, MFD_CLOEXEC)));
  own.set(MEMORY_FILES.indexOf("image"), image);
  // Children have it to map again what was taken away, and cannot write to it: others map it, too.
  const settled = openProcFile(`/proc/self/fd/${image.number}`);
  setFile(MEMORY_FILES.length, settled.number);
  const rewind: Rewinder["rewind"] = (report) =>
    mpserv_rewind(report, lengthOf(report));
  return {
    settle: () => {
      if (own.size === 0) return;
      for (const [i, { number }] of own) setFile(i, number);
      mpserv_settle_finely(bytes);
      for (const [i, fd] of own) {
        setFile(i, -1);
        fd.close(); // what the image holds can be read only from here on
      }
      own.clear();
    },
    mark: (channel, files) => {
      wishes.setInt32(4, channel, true);
      for (let i = 0; i < files.length; i++) setFile(i, files[i]!);
      return mpserv_mark(bytes);
    },
    rewind,
    tellEnd: rewindsWith(rewind),
  };
}

function flagsOf({ service, sandbox, rewinds }: ChildOptions): number {
  const isHandler = "module" in service;
  return (isHandler ? FOR_HANDLER : 0) |
    (isHandler && sandbox.level !== "strict" ? MAY_MORE : 0) |
    (rewinds === "checked" ? CHECKS : 0);
}

function checked(fd: number): number {
  if (fd < 0) throw new PosixError("memfd_create", 0);
  return fd;
}
