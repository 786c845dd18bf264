/**
 * Whether the workers of a pool rewind their memory, and how that goes.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import { Fd } from "../posix/fd.ts";
import { cLibrary } from "../posix/libc.ts";
import { sendFd } from "../posix/net/handover.ts";
import {
  descriptorTarget,
  listProcDirectory,
  openProcFile,
} from "../posix/proc.ts";
import {
  encodeHandover,
  EXIT_REASONS,
  MEMORY_FILES,
  REWINDING,
  SECRET_SIZE,
} from "../wire/records.ts";
import { grantKind } from "../runtime/permissions.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import type { RewindChoice } from "../wire/choices.ts";
import type { Exit, RewindState } from "./model.ts";

const libc = cLibrary("memfd_create");
const MFD_CLOEXEC = 1; // linux/memfd.h
const REWOUND = REWINDING.indexOf("rewound");
const NOBODY = {
  peer: new Uint8Array(0),
  secret: new Uint8Array(SECRET_SIZE),
};

/** See above. */
export class Rewinding implements RewindState {
  readonly #choice: RewindChoice;
  /** Why they do not; undefined where they do. */
  #why: string | undefined;
  readonly #tell: (why: string | null) => void;
  rewound = 0;
  readonly replaced: Record<string, number> = {};

  /** `why`: why it cannot be; undefined where it is to be tried. */
  constructor(
    choice: RewindChoice,
    tell: (why: string | null) => void,
    why?: string,
  ) {
    this.#choice = choice;
    this.#tell = tell;
    this.#why = choice === "off" ? "" : why;
  }

  /** Whether workers that start from here on are to rewind. */
  get isOn(): boolean {
    return this.#why === undefined;
  }

  get why(): string {
    return this.#why ?? "";
  }

  /** The first worker could not: no other will try. Returns whether a person will have nothing else. */
  refuse(why: string): boolean {
    this.#why ??= why;
    return this.#choice === "on";
  }

  /** A worker said `done`. `status`: what it said beside it. Returns whether it can serve another connection. */
  isFit(status: number): boolean {
    if (status === REWOUND) {
      this.rewound++;
      this.#tell(null);
      return true;
    }
    const why = REWINDING[status] || "it said nothing of its memory";
    this.replaced[why] = (this.replaced[why] ?? 0) + 1;
    this.#tell(why);
    return false;
  }
}

/** Why a worker ended that was to mark its memory. */
export function whyNotMarked(exit: Exit | null): string {
  if (exit === null) return "its process ended";
  const { code, signal } = exit;
  return REWINDING[code - EXIT_REASONS] ||
    `its process ended: ${signal ?? `exit code ${code}`}`;
}

/**
 * Sends a worker what it needs to mark its memory. `channel`: the parent's end of its channel, borrowed. `pid`: the
 * worker, by the kernel's word. Returns why that cannot be; undefined when it was sent.
 */
export function sendMemoryFiles(
  channel: number,
  pid: number,
  { grants }: Pick<ChildOptions, "grants">,
): string | undefined {
  const mayMove = grants.some((grant) => grantKind(grant) === "read");
  try {
    MEMORY_FILES.forEach((name, id) => {
      if (name === "cwd" && !mayMove) return;
      using file = openMemoryFile(name, pid);
      if (file === null) return;
      const record = encodeHandover({ kind: "file", id, ...NOBODY });
      if (!sendFd(channel, record, file.number)) {
        throw new TypeError("its channel is full");
      }
    });
  } catch (error) {
    return (error as Error).message;
  }
}

function openMemoryFile(
  name: typeof MEMORY_FILES[number],
  pid: number,
): Fd | null {
  switch (name) {
    case "image": {
      const text = new TextEncoder().encode("mpserv-image\0");
      const fd = libc.memfd_create?.(text, MFD_CLOEXEC) ?? -1;
      if (fd < 0) throw new PosixError("memfd_create", 0);
      return new Fd(fd);
    }
    case "events": {
      const number = eventLoopOf(pid);
      return number === undefined
        ? null
        : openProcFile(`/proc/${pid}/fdinfo/${number}`);
    }
    default:
      return openProcFile(`/proc/${pid}/${name}`);
  }
}

/** The descriptor of its event loop. */
function eventLoopOf(pid: number): string | undefined {
  return listProcDirectory(`/proc/${pid}/fd`).find((number) =>
    descriptorTarget(Number(number), pid) === "anon_inode:[eventpoll]"
  );
}
