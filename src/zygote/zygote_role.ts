/**
 * The zygote (role `@zygote`): a warmed Deno process that forks a child for each descriptor that it
 * receives, and reaps it. It never returns to its event loop, and it reads no byte of a connection.
 *
 * @module
 */
import { Replaced } from "./replaced.ts";
import { giveUp, loadModule } from "../child/errors.ts";
import { abi, scratch } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { type Fd, inheritedFd } from "../posix/fd.ts";
import {
  drainSignals,
  exitNow,
  fork,
  leave,
  prepareStopSignal,
  reap,
  watchChildren,
} from "../posix/forking.ts";
import { own } from "../posix/intrinsics.ts";
import { PollSet } from "../posix/io.ts";
import { receiveFd, sendFd } from "../posix/net/handover.ts";
import { followInto, leaveProcessGroup, monotonic } from "../posix/process.ts";
import {
  enterSandbox,
  followParent,
  letGoOfCaches,
  noteMemory,
  prepareFence,
  type Sandbox,
} from "../sandbox/enter.ts";
import { fenceFilter, makeFilter } from "../sandbox/policies.ts";
import { type LoadedService, loadService } from "../service/load.ts";
import type { Program } from "../service/program.ts";
import { type ChildOptions, receiveOptions } from "../wire/child_options.ts";
import {
  decodeHandover,
  encodeReport,
  HANDOVER_SIZE,
  type Report,
  STEPS,
} from "../wire/records.ts";
import {
  cannotServe,
  exited,
  failed,
  ready,
  started,
  step,
  tell,
} from "../wire/tell.ts";
import {
  arrive,
  type Birth,
  ForkPreparation,
  forkProbe,
  type Means,
  meansOf,
  runChild,
} from "./birth.ts";
import { forgetLibrary, machineCode } from "./machine_code/machine_code.ts";
import { Leftovers } from "./leftovers.ts";
import { ForkMemory } from "./fork_memory.ts";
import { type PreparedRewinding, prepareRewinding } from "./rewind.ts";
import { startAgainIfCrowded } from "./threads.ts";
import {
  generatorsOf,
  loadRehearsed,
  meetParser,
  QUIET,
  rehearseBirth,
  rehearseChild,
  rehearseService,
  rehearsesLate,
  SpareTime,
} from "./warm_up.ts";

const { POLLHUP, POLLIN, POLLOUT } = abi;

/** Runs the zygote, and in each forked copy of it the child, to the end. */
export async function run(args: readonly string[]): Promise<never> {
  const channel = inheritedFd(args[0]), reports = inheritedFd(args[1]);
  followInto(args[2]);
  startAgainIfCrowded([channel, reports]); // before the options are received: they come once
  leaveProcessGroup();
  forgetLibrary();
  prepareStopSignal({ isZygote: true });
  const options = receiveOptions(channel);
  followParent(options);
  let means: Means;
  let service: LoadedService;
  let memory: ForkMemory;
  let rewinding: PreparedRewinding | null;
  let spare: SpareTime;
  let redo: (() => void) | null = null;
  try {
    // Do everything that needs FFI permission, or that a module must not touch, before the sandbox.
    const asynchronous = "module" in options.service;
    const preparation = new ForkPreparation(asynchronous);
    const fence = prepareFence(options, fenceFilter);
    const code = machineCode();
    rewinding = prepareRewinding(code, options);
    const ours = "module" in options.service
      ? null
      : await loadService(options.service);
    const rehearsed = await loadRehearsed(asynchronous);
    const isLate = rehearsesLate(options);
    const services = rehearseService(rehearsed, options, rewinding);
    if (!isLate) { for await (const _ of services); }
    // Around a person's code before its first line; around our own at last, unless threads must follow to
    // another user, which do not when they are parked.
    const isEarly = ours === null || options.attributes !== undefined;
    let sandbox = isEarly ? enclose(options, channel) : null;
    const replaced = ours ? null : new Replaced();
    const { serve } = ours ??
      await loadWithoutLeftovers(options, channel, replaced!);
    service = { serve, asynchronous };
    tell(channel.number, step("preparing to fork"));
    if (asynchronous) await meetParser();
    const generators = await generatorsOf(service);
    // Nothing is awaited from here to the fork, but in children.
    replaced?.undo(); // again: the module's code may have run in between
    redo = replaced?.redo() ?? null;
    const rebirth = preparation.finish(generators);
    letGoOfCaches(); // only now: the runtime's threads no longer use them
    const test = forkProbe(rebirth, options);
    if (test instanceof Promise) return await test; // in the test child alone, and it never returns
    const births = rehearseBirth(rebirth, fence, options);
    if (!isLate) { for (const _ of births); }
    const all = async function* () {
      yield* services;
      yield* births;
    };
    spare = new SpareTime(isLate ? all() : null);
    sandbox ??= enclose(options, channel, { isParked: true });
    test.wait();
    noteMemory(options.attributes); // its children cannot ask: theirs is no file that was granted
    sandbox.narrow();
    if (sandbox.isComplete) fence?.arm();
    const children = watchChildren();
    const fds = { channel, reports, children };
    const known = means = meansOf(fds, rebirth, fence);
    const like = asynchronous ? null : rehearsed.often[0]!;
    memory = new ForkMemory(code, () => rehearseChild(known, like, options));
  } catch (error) {
    cannotServe(channel, error);
  }
  const { asynchronous, serve } = service;
  // Users, limits and the like are for a forked child to take before it becomes the program.
  const program = typeof serve === "function" || options.attributes
    ? null
    : serve;
  try {
    const loop = new ForkLoop(means, { memory, rewinding, program, spare });
    const hasWork = () => loop.hasWork();
    let birth = loop.forkForEach(); // returns in children, and when it is time for a slice of the rehearsal
    while (birth === null) {
      loop.hasTime();
      await spare.use(hasWork);
      if (spare.isOver) loop.isWarm();
      birth = loop.forkForEach();
    }
    redo?.();
    const living = runChild(birth, reports, service, options, rewinding);
    if (living) await own(living);
  } catch (error) {
    giveUp(error);
  }
  leave(asynchronous ? Deno.exitCode : 0);
  return exitNow(0); // never reached: leave has left
}

/** Enters the sandbox, and sends the parent the descriptor of its notifications. */
function enclose(
  options: ChildOptions,
  channel: Fd,
  { isParked = false }: { isParked?: boolean } = {},
): Sandbox {
  const sandbox = enterSandbox(options, {
    isZygote: true,
    isParked,
    filter: (isStrict) => makeFilter(options, isStrict, true),
  });
  const { listener } = sandbox;
  if (listener) sendFd(channel.number, new Uint8Array(1), listener.number);
  listener?.close();
  return sandbox;
}

/** Loads the person's module. Children would share whatever it has open, and lack whatever it has running. */
async function loadWithoutLeftovers(
  options: ChildOptions,
  channel: Fd,
  replaced: Replaced,
): Promise<LoadedService> {
  letGoOfCaches(); // no module may write code that a later start runs
  const leftovers = new Leftovers(replaced);
  tell(channel.number, step(STEPS.loading));
  const service = await loadModule(options);
  const left = await leftovers.find();
  if (left === undefined) return service;
  throw new TypeError(
    `Cannot fork: the module keeps ${left}, or use --model spawn`,
  );
}

/**
 * How often children are looked after that nobody told of, in milliseconds. A process that was stopped
 * and goes on can lose a SIGCHLD: for an instant each parked thread has the signals again that it had
 * before it was parked, and whichever takes this one throws it away.
 */
const LOOK_AFTER = 1_000;

const CHANNEL = 0;
const CHILDREN = 1;

/** Forks and reaps. */
class ForkLoop {
  readonly #means: Means;
  readonly #memory: ForkMemory;
  readonly #rewinding: PreparedRewinding | null;
  readonly #program: Program | null;
  readonly #spare: SpareTime;
  readonly #set: PollSet;
  readonly #signals = scratch(128 * 4);
  /** Reports that the parent has not read yet, oldest first. */
  readonly #untold: Report[] = [];
  /** Which connection each child serves, or which worker it is. */
  readonly #living = new Map<number, number>();
  /** The parent sends no more: only forked children remain to be reaped. */
  #isLast = false;
  #forks = 0;
  #isReady = false;
  #hadTime = false;

  constructor(
    means: Means,
    { memory, rewinding, program, spare }: {
      memory: ForkMemory;
      rewinding: PreparedRewinding | null;
      program: Program | null;
      spare: SpareTime;
    },
  ) {
    this.#means = means;
    this.#memory = memory;
    this.#rewinding = rewinding;
    this.#program = program;
    this.#spare = spare;
    this.#set = new PollSet([
      { fd: means.channel.number, events: POLLIN },
      { fd: means.children.number, events: POLLIN },
    ], scratch(8 * 2));
  }

  /** Forks a child for each descriptor that comes; returns in the children, and null where there is spare time. */
  forkForEach(): Birth | null {
    if (!this.#isReady) {
      this.#isReady = true;
      this.#tell(ready());
      if (this.#spare.isOver) this.hasTime();
    }
    const spare = this.#spare.isOver ? null : this.#spare;
    for (;;) {
      const patience = this.#living.size > 0 ? LOOK_AFTER : -1;
      const ready = this.#set.wait(spare ? QUIET : patience);
      if (ready === 0 || this.#set.ready(CHILDREN)) this.#reapAll();
      const events = this.#set.ready(CHANNEL);
      if (events & POLLHUP) exitNow(0); // the parent is gone: children finish alone
      if (events & POLLOUT) this.#catchUp();
      if (events & POLLIN) {
        const forks = this.#forks;
        const birth = this.#receive();
        if (birth) return birth;
        if (spare && this.#forks > forks && spare.forked()) return null;
      }
      if (spare && ready === 0) return null;
      if (
        this.#isLast && this.#living.size === 0 && this.#untold.length === 0
      ) {
        exitNow(0);
      }
    }
  }

  /** Whether a descriptor may have come, or a child has ended. */
  hasWork(): boolean {
    return this.#set.wait(0) > 0;
  }

  /** There is time for something else than forking, the first time. */
  hasTime(): void {
    if (!this.#hadTime) this.#tell(step(STEPS.idle));
    this.#hadTime = true;
  }

  /** All is rehearsed: what was written until now is not written again. */
  isWarm(): void {
    this.#memory.isWarm();
    this.#tell(step(STEPS.warm));
  }

  #receive(): Birth | null {
    const received = receiveFd(this.#means.channel.number, {
      wait: false,
      size: HANDOVER_SIZE,
    });
    if (received === null) return null;
    if (received === "end") {
      this.#isLast = true;
      this.#attend();
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
    if (handover.kind === "rewinder") this.#rewinding?.settle();
    const forkedAt = monotonic();
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
      arrive(means, handover, forkedAt);
      return birth;
    }
    this.#living.set(pid, handover.id);
    fd.close();
    this.#forks++;
    this.#memory.forked();
    return null;
  }

  /** A program needs no copy of this process. One that cannot be started is left to a child, which says why. */
  #start(program: Program, { handover, fd }: Birth): boolean {
    const pid = program.start(fd, handover);
    if (pid === null) return false;
    this.#living.set(pid, handover.id);
    this.#tell(started(handover.id, pid));
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
    const { channel } = this.#means;
    try {
      while (
        this.#untold[0] &&
        sendFd(channel.number, encodeReport(this.#untold[0]), null)
      ) {
        this.#untold.shift();
      }
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      exitNow(0); // the parent is gone
    }
    this.#attend();
  }

  #attend(): void {
    const events = (this.#isLast ? 0 : POLLIN) |
      (this.#untold.length > 0 ? POLLOUT : 0);
    this.#set.set(CHANNEL, { fd: this.#means.channel.number, events });
  }
}

if (import.meta.main) await run(Deno.args);
