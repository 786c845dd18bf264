/**
 * The zygote (role `@zygote`): a warmed Deno process that forks a child for each descriptor that it
 * receives, and reaps it. It never returns to its event loop, and it reads no byte of a connection.
 *
 * @module
 */
import { POLLHUP, POLLIN, POLLOUT } from "../posix/abi.ts";
import { letGoOfCaches } from "../posix/caches.ts";
import { forgetDenseLibrary } from "../posix/dense.ts";
import { PosixError } from "../posix/errno.ts";
import { followInto } from "../posix/directory.ts";
import { Fd, setInherit } from "../posix/fd.ts";
import { drainSignals, exitNow, fork, leave, reap } from "../posix/forking.ts";
import { receiveFd, sendFd } from "../posix/handover.ts";
import { PollSet } from "../posix/io.ts";
import { cLibrary } from "../posix/libc.ts";
import { scratch } from "../posix/scratch.ts";
import { prepareSettling } from "../posix/settle.ts";
import { leaveProcessGroup, setProcessName } from "../posix/process.ts";
import { type LoadedService, loadService } from "../service/load.ts";
import type { Program } from "../service/program.ts";
import { arrive, type Birth, live, type Means, meansOf } from "./birth.ts";
import { decodeOptions } from "./options.ts";
import { enterSandbox, followParent, prepareFence } from "./sandbox.ts";
import { forkProbe } from "./probe.ts";
import { revokeProbePermissions } from "./probe_permissions.ts";
import { prepareRebirth, settleDown } from "./rebirth.ts";
import { generatorsOf, rehearseBirth, rehearseService } from "./rehearsal.ts";
import { startAgainIfCrowded } from "./second_start.ts";
import { prepareStopSignal } from "./stop_signal.ts";
import { exited, failed, ready, tell, took } from "./tell.ts";
import { catchUncaught, giveUp } from "./uncaught.ts";
import {
  decodeHandover,
  encodeReport,
  HANDOVER_SIZE,
  type Report,
} from "./wire.ts";

const libc = cLibrary("getpid");

/**
 * Runs the zygote, and in each forked copy of it the child, to the end.
 *
 * @param args The channel and the report socket, both inherited from the parent, the options, and how to get
 *   to the server's directory where that has been removed.
 * @returns Never.
 */
export async function run(args: readonly string[]): Promise<never> {
  const channel = new Fd(Number(args[0]));
  const reports = new Fd(Number(args[1]));
  const options = decodeOptions(args[2] ?? "");
  for (const fd of [channel, reports]) setInherit(fd.number, false);
  leaveProcessGroup();
  followParent(options);
  forgetDenseLibrary();
  prepareStopSignal();
  let means: Means;
  let service: LoadedService;
  let settle: (() => void) | null;
  if ("module" in options.service) catchUncaught();
  try {
    followInto(args[3]);
    service = await loadService(options.service);
    startAgainIfCrowded([channel, reports]);
    await rehearseService(service, options);
    const generators = await generatorsOf(service);
    // Nothing is awaited from here to the fork, but in children.
    const rebirth = prepareRebirth(generators);
    letGoOfCaches(); // not before: the runtime's threads use them no more
    const test = forkProbe(rebirth);
    if (test instanceof Promise) return await test; // in the test child alone, and it never returns
    const { asynchronous } = service;
    const fence = prepareFence(options);
    rehearseBirth(rebirth, asynchronous, fence);
    setProcessName("mpserv:zygote"); // the rehearsal was a child's
    settle = prepareSettling();
    test.wait();
    revokeProbePermissions(options.grants);
    using listener = enterSandbox(options, fence);
    if (listener) sendFd(channel.number, new Uint8Array(1), listener.number);
    const children = settleDown(options.grants);
    const fds = { channel, reports, children };
    means = meansOf(fds, rebirth, asynchronous, fence);
  } catch (error) {
    tell(reports.number, failed(0, (error as Error).message));
    exitNow(1);
  }
  const { asynchronous, serve } = service;
  // Users, limits and the like are for a forked child to take before it becomes the program.
  const program = typeof serve === "function" || options.standing
    ? null
    : serve;
  try {
    const birth = new Nursery(means, { settle, program }).forkForEach(); // returns in children alone
    const living = live(birth, reports, service, options);
    if (living) await living;
  } catch (error) {
    giveUp(error);
  }
  leave(asynchronous ? Deno.exitCode : 0);
  return exitNow(0); // never reached: leave has left
}

/**
 * How often children are looked after that nobody told of, in milliseconds. A process that was stopped
 * and goes on can lose a SIGCHLD: for an instant each parked thread has the signals again that it had
 * before it was parked, and whichever takes this one throws it away.
 */
const LOOK_AFTER = 1_000;

const CHANNEL = 0;
const CHILDREN = 1;
const REPORTS = 2;

/** Forks and reaps. */
class Nursery {
  readonly #means: Means;
  readonly #settle: (() => void) | null;
  readonly #program: Program | null;
  readonly #set: PollSet;
  readonly #signals = scratch(128 * 4);
  /** Reports that the parent has not read yet, oldest first. */
  readonly #untold: Report[] = [];
  /** Which connection each child serves; 0 for a worker. */
  readonly #living = new Map<number, number>();
  #forks = 0;
  #settleAt = 16;

  constructor(
    means: Means,
    { settle, program }: {
      settle: (() => void) | null;
      program: Program | null;
    },
  ) {
    this.#means = means;
    this.#settle = settle;
    this.#program = program;
    this.#set = new PollSet([
      { fd: means.channel.number, events: POLLIN },
      { fd: means.children.number, events: POLLIN },
      { fd: means.reports.number, events: 0 },
    ], scratch(8 * 3));
  }

  /** Forks a child for each descriptor that comes; returns in the children. */
  forkForEach(): Birth {
    const { channel } = this.#means;
    this.#tell(ready(libc.getpid()));
    for (;;) {
      const ready = this.#set.wait(this.#living.size > 0 ? LOOK_AFTER : -1);
      if (ready === 0 || this.#set.ready(CHILDREN)) this.#reapAll();
      if (this.#set.ready(REPORTS) & POLLHUP) exitNow(0); // the parent is gone: children finish alone
      if (this.#set.ready(REPORTS) & POLLOUT) this.#catchUp();
      if (this.#set.ready(CHANNEL)) {
        const birth = this.#receive();
        if (birth) return birth;
      }
      if (
        !channel.isOpen && this.#living.size === 0 && this.#untold.length === 0
      ) {
        exitNow(0);
      }
    }
  }

  #receive(): Birth | null {
    const { channel } = this.#means;
    const received = receiveFd(channel.number, {
      wait: false,
      size: HANDOVER_SIZE,
    });
    if (received === null) return null;
    if (received === "end") { // no more work: what was forked is still to be reaped
      this.#set.set(CHANNEL, { fd: -1, events: 0 });
      channel.close();
      return null;
    }
    const handover = decodeHandover(received.data);
    if (received.fd === null) return null;
    return this.#fork({ handover, fd: received.fd });
  }

  #fork(birth: Birth): Birth | null {
    const { handover, fd } = birth;
    const means = this.#means; // read here, where the zygote has read it before
    if (this.#program && this.#start(this.#program, birth)) return null;
    let pid: number;
    try {
      pid = fork();
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      this.#tell(failed(handover.id, error.message));
      fd.close();
      return null;
    }
    if (pid === 0) {
      arrive(means, handover);
      return birth;
    }
    this.#living.set(pid, handover.id);
    // Its own code has been compiled by the first; now and then, as the heap moves on.
    if (++this.#forks === this.#settleAt) {
      this.#settleAt *= 8;
      this.#settleNow();
    }
    fd.close();
    return null;
  }

  /** Where the system refuses, forks cost more. */
  #settleNow(): void {
    try {
      this.#settle?.();
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
    }
  }

  /** A program needs no copy of this process. One that cannot be started is left to a child, which says why. */
  #start(program: Program, { handover, fd }: Birth): boolean {
    const pid = program.start(fd, handover);
    if (pid === null) return false;
    this.#living.set(pid, handover.id);
    this.#tell({ ...took(handover.id), pid });
    fd.close();
    return true;
  }

  #reapAll(): void {
    drainSignals(this.#means.children.number, this.#signals);
    for (let ended; (ended = reap()) !== null;) {
      const id = this.#living.get(ended.pid) ?? 0;
      this.#living.delete(ended.pid);
      this.#tell(exited(id, ended.pid, ended.status));
    }
  }

  /** Reports without waiting: a parent that is behind must not keep children from being reaped. */
  #tell(report: Report): void {
    this.#untold.push(report);
    this.#catchUp();
  }

  #catchUp(): void {
    const { reports } = this.#means;
    try {
      while (
        this.#untold[0] &&
        sendFd(reports.number, encodeReport(this.#untold[0]), null)
      ) {
        this.#untold.shift();
      }
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      exitNow(0); // the parent is gone
    }
    this.#set.set(REPORTS, {
      fd: reports.number,
      events: this.#untold.length > 0 ? POLLOUT : 0,
    });
  }
}

if (import.meta.main) await run(Deno.args);
