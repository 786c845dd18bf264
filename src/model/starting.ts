/**
 * Workers on their way to being ready. Where the first must have proved that it can serve, or rewind its memory,
 * nobody else is started before it has; what then went wrong is for whoever starts the model to tell.
 *
 * @module
 */
import { cLibrary } from "../posix/libc.ts";
import type { ChildOptions } from "../wire/child_options.ts";
import { grantKind } from "../runtime/permissions.ts";
import {
  descriptorTarget,
  listProcDirectory,
  openProcFile,
} from "../posix/proc.ts";
import { sendFd } from "../posix/net/handover.ts";
import { Fd } from "../posix/fd.ts";
import { PosixError } from "../posix/errno.ts";
import {
  encodeHandover,
  EXIT_REASONS,
  MEMORY_FILES,
  type Report,
  REWINDING,
  SECRET_SIZE,
  STEPS,
} from "../wire/records.ts";
import { type Exit, type ProcessEntry, StartError } from "./model.ts";
import type { WorkerSource } from "./worker.ts";
import { Progress } from "./supervision.ts";
import type { Worker, WorkerOptions } from "./worker.ts";

const NOBODY = {
  peer: new Uint8Array(0),
  secret: new Uint8Array(SECRET_SIZE),
};

/** What starting needs of its model. */
interface StartEffects {
  /** The processes of the model. */
  processes(): Iterable<ProcessEntry>;
  /** Tells a person. */
  trouble(what: string): void;
  /** Starts a worker in the place of one that could not rewind. */
  next(): void;
}

export class Starting {
  /** Whether a first worker must be ready before the model has started. */
  readonly mustProve: boolean;
  readonly #progress: Progress;
  readonly #options: WorkerOptions;
  readonly #source: WorkerSource;
  readonly #effects: StartEffects;

  constructor(
    options: WorkerOptions,
    source: WorkerSource,
    effects: StartEffects,
  ) {
    this.#progress = new Progress(() => effects.processes());
    this.mustProve = options.mustProve || options.rewinding?.isOn === true;
    this.#options = options;
    this.#source = source;
    this.#effects = effects;
  }

  /** Whether the first is still to be ready. */
  get isFirst(): boolean {
    return this.mustProve && !this.#progress.isOver;
  }

  /** Whether the first was ready, or could not serve. */
  get isOver(): boolean {
    return this.#progress.isOver;
  }

  /** Whether it could not serve. */
  get hasFailed(): boolean {
    return this.#progress.hasFailed;
  }

  /** Waits until the first is ready. Throws `StartError` when it cannot serve, or says nothing for too long. */
  wait(): Promise<void> {
    return this.#progress.wait();
  }

  /** A worker says what it does next. `pid`: who it is, by the kernel's word. Returns whether it can be believed. */
  step(worker: Worker, pid: number, { outcome }: Report): boolean {
    const step = outcome?.text ?? "";
    this.#progress.step(step);
    if (step !== STEPS.marking || !worker.rewinds) return true;
    if (!this.#source.ready(worker.process, pid)) return false;
    const why = sendMemoryFiles(worker.channel.number, pid, this.#options);
    if (why !== undefined) this.#cannotRewind(worker, why);
    return true;
  }

  /** A worker says that it is ready. Returns whether it can be believed. */
  ready({ process, rewinds }: Worker, pid: number): boolean {
    const isKnown = rewinds // it has said who it is before
      ? process.pid === pid
      : this.#source.ready(process, pid);
    if (isKnown) this.#progress.ready();
    return isKnown;
  }

  /** A worker says that it cannot serve: it is ended. */
  failed(worker: Worker, report: Report): true {
    const error = StartError.of(report);
    if (worker.rewinds) this.#cannotRewind(worker, error.message);
    else if (this.isFirst) this.#progress.failed(error);
    else this.#effects.trouble(error.message);
    worker.process.kill("SIGKILL");
    return true;
  }

  /** A worker has ended that was not ready. `exit`: how; null where nobody knows. */
  ended(worker: Worker, exit: Exit | null): void {
    if (!this.isFirst) return;
    if (!worker.rewinds) {
      if (exit) this.#progress.failed(endedEarly(exit, this.#options));
      return;
    }
    this.#cannotRewind(worker, whyNotMarked(exit));
    if (this.isFirst) this.#effects.next();
  }

  /** The next does without, unless a person will not. */
  #cannotRewind(worker: Worker, why: string): void {
    const { rewinding } = this.#options;
    const error = new StartError(`cannot rewind: ${why}`);
    if (!this.isFirst) this.#effects.trouble(error.message);
    else if (rewinding?.refuse(why)) this.#progress.failed(error);
    worker.process.kill("SIGKILL");
  }
}

/** The error of a model whose first worker exited before it was ready. */
function endedEarly(
  { code, signal }: Exit,
  { isHandler }: WorkerOptions,
): StartError {
  const how = signal ?? `exit code ${code}`;
  return isHandler
    ? new StartError(`its process exited while loading: ${how}`, "handler")
    : new StartError(`a process exited before it was ready: ${how}`);
}

const libc = cLibrary("memfd_create");

const MFD_CLOEXEC = 1; // linux/memfd.h

/** Why a worker ended that was to mark its memory. */
function whyNotMarked(exit: Exit | null): string {
  if (exit === null) return "its process ended";
  const { code, signal } = exit;
  return REWINDING[code - EXIT_REASONS] ||
    `its process ended: ${signal ?? `exit code ${code}`}`;
}

/**
 * Sends a worker what it needs to mark its memory. `channel`: the parent's end of its channel, borrowed. `pid`: the
 * worker, by the kernel's word. Returns why that cannot be; undefined when it was sent.
 */
function sendMemoryFiles(
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
