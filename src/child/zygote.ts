/**
 * The zygote (role `@zygote`): a warmed Deno process that forks a child for each descriptor that it
 * receives, and reaps it. It never returns to its event loop, and it reads no byte of a connection.
 *
 * @module
 */
import { POLLHUP, POLLIN, POLLOUT } from "../posix/abi.ts";
import { PosixError } from "../posix/errno.ts";
import { Fd, setInherit } from "../posix/fd.ts";
import { drainSignals, exitNow, fork, reap } from "../posix/forking.ts";
import { receiveFd, sendFd } from "../posix/handover.ts";
import { PollSet } from "../posix/io.ts";
import { libc } from "../posix/libc.ts";
import { leaveProcessGroup, setProcessName } from "../posix/process.ts";
import { type LoadedService, loadService } from "../service/load.ts";
import { type ChildOptions, decodeOptions } from "./options.ts";
import { forkProbe, revokeProbePermissions } from "./probe.ts";
import {
  beReborn,
  prepareRebirth,
  type Rebirth,
  settleDown,
} from "./rebirth.ts";
import { serveOne } from "./serve_one.ts";
import { done, exited, failed, ready, tell, took } from "./tell.ts";
import { prepareStopSignal } from "./stop_signal.ts";
import { generatorsOf, warmUp } from "./warm_up.ts";
import {
  decodeHandover,
  encodeReport,
  type Handover,
  HANDOVER_SIZE,
  type Report,
} from "./wire.ts";
import { work } from "./worker.ts";

/** What a new child was born for. */
interface Birth {
  readonly handover: Handover;
  readonly fd: Fd;
}

/**
 * Runs the zygote, and in each forked copy of it the child, to the end.
 *
 * @param args The channel and the report socket, both inherited from the parent, and the options.
 * @returns Never.
 */
export async function run(args: readonly string[]): Promise<never> {
  const channel = new Fd(Number(args[0]));
  const reports = new Fd(Number(args[1]));
  const options = decodeOptions(args[2] ?? "");
  for (const fd of [channel, reports]) setInherit(fd.number, false);
  leaveProcessGroup();
  setProcessName("mpserv:zygote");
  prepareStopSignal();
  let rebirth: Rebirth;
  let service: LoadedService;
  let children: Fd;
  try {
    service = await loadService(options.service);
    await warmUp(service, options);
    rebirth = prepareRebirth(await generatorsOf(service));
    const test = forkProbe(rebirth);
    if (test) await test; // in the test child alone, and it never returns
    revokeProbePermissions(options.grants);
    children = settleDown(options.grants);
  } catch (error) {
    tell(reports.number, failed(0, (error as Error).message));
    exitNow(1);
  }
  // Nothing is awaited between here and the fork: `forkForEach` returns in children alone.
  const birth = new Nursery({
    channel,
    reports,
    children,
    rebirth,
    asynchronous: service.asynchronous,
  })
    .forkForEach();
  return await live(birth, reports, service, options);
}

/** A forked child's whole life. */
async function live(
  { handover, fd }: Birth,
  reports: Fd,
  service: LoadedService,
  options: ChildOptions,
): Promise<never> {
  if (handover.kind === "worker") {
    reports.close();
    await work(fd, service.serve, options);
  } else {
    const served = serveOne(service.serve, fd, handover, options.idleTimeout);
    const outcome = served instanceof Promise ? await served : served;
    tell(reports.number, done(handover.id, outcome));
  }
  return exitNow(Deno.exitCode);
}

/** What the zygote works with. */
interface Means {
  /** Where descriptors come from; closed at its end. */
  readonly channel: Fd;
  /** Where everybody reports; children keep it. */
  readonly reports: Fd;
  /** Readable when a child has ended. */
  readonly children: Fd;
  readonly rebirth: Rebirth;
  /** Whether children use their event loop. */
  readonly asynchronous: boolean;
}

const CHANNEL = 0;
const CHILDREN = 1;
const REPORTS = 2;

/** Forks and reaps. */
class Nursery {
  readonly #means: Means;
  readonly #set: PollSet;
  readonly #signals = new Uint8Array(128 * 16);
  /** Reports that the parent has not read yet, oldest first. */
  readonly #untold: Report[] = [];
  /** Which connection each child serves; 0 for a worker. */
  readonly #living = new Map<number, number>();

  constructor(means: Means) {
    this.#means = means;
    this.#set = new PollSet([
      { fd: means.channel.number, events: POLLIN },
      { fd: means.children.number, events: POLLIN },
      { fd: means.reports.number, events: 0 },
    ]);
  }

  /** Forks a child for each descriptor that comes; returns in the children. */
  forkForEach(): Birth {
    const { channel } = this.#means;
    this.#tell(ready(libc.getpid()));
    for (;;) {
      this.#set.wait();
      if (this.#set.ready(CHILDREN)) this.#reapAll();
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
    const { channel, reports, children, rebirth, asynchronous } = this.#means;
    const { handover, fd } = birth;
    try {
      const pid = fork();
      if (pid === 0) {
        beReborn(rebirth, asynchronous);
        setProcessName("mpserv:conn");
        children.close();
        // `took` comes before the channel is closed: see point 6 of the wire.
        if (handover.kind === "connection") {
          tell(reports.number, took(handover.id));
        }
        channel.close();
        return birth;
      }
      this.#living.set(pid, handover.id);
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      this.#tell(failed(handover.id, error.message));
    }
    fd.close();
    return null;
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
