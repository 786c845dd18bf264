/**
 * What the servers of a soak are made of, looked at again and again.
 *
 * @module
 */
import { descriptors, type ProcessInfo } from "../helpers/processes.ts";
import type { Running } from "./faults.ts";
import { growth, type Sample } from "./trend.ts";

const ZYGOTE = "mpserv:zygote";
const SANDBOX = "anon_inode:seccomp notify";
/** A process that has ended is reaped within so many seconds, unless who reaps it is stopped. */
const LONGEST_ZOMBIE = 20;
/** The first part of a run does not count: runtimes compile, heaps find their size. */
const WARM_UP = 0.25;
/** A heap has found its size after so many seconds: garbage that nobody collected is no leak. */
const LONG = 600;

/** Growth over a run that is no leak, in bytes. */
function allowed(length: number): { parent: number; zygote: number } {
  return { parent: length < LONG ? 96 << 20 : 24 << 20, zygote: 8 << 20 };
}

/** A zygote's memory as long as it lived. */
interface Life {
  readonly pid: number;
  readonly memory: Sample[];
}

/** What was seen of one server. */
export class Course {
  /** Processes, the parent not counted. */
  readonly processes: Sample[] = [];
  /** Processes that have ended and were not reaped at that moment. */
  readonly zombies: Sample[] = [];
  /** Descriptors of the parent. */
  readonly descriptors: Sample[] = [];
  /** Memory of the parent that is its own (`RssAnon`), in bytes. */
  readonly memory: Sample[] = [];
  /** Descriptors of the parent when all was quiet. */
  readonly atRest: Sample[] = [];
  readonly #running: Running;
  readonly #zygotes: Life[] = [];
  readonly #ended = new Map<number, number>();

  /** @param running The server. */
  constructor(running: Running) {
    this.#running = running;
  }

  /** Looks at it. */
  look(at: number): void {
    const { server } = this.#running;
    const children = server.children();
    this.processes.push({ at, value: children.length });
    this.descriptors.push({ at, value: descriptors(server.pid).length });
    this.memory.push({ at, value: ownMemory(server.pid) });
    for (const { pid, comm } of children) {
      if (comm === ZYGOTE) this.#lookAtZygote(pid, at);
    }
    this.#lookForZombies(children, at);
  }

  /** Looks at it when nobody is served; waits until it is quiet. */
  async rest(at: number): Promise<void> {
    const { server, ledger } = this.#running;
    const kinds = await server.steadyDescriptors();
    const others = kinds.filter((kind) => kind !== SANDBOX);
    this.atRest.push({ at, value: others.length });
    const first = this.atRest[0]!.value;
    if (others.length > first) {
      const what = `${first} at the first rest, ${others.length} at ${at} s`;
      ledger.problem("descriptors", what);
    }
    // Workers outlive a zygote that was killed, and its sandbox is listened to until the last has ended.
    const sandboxes = kinds.length - others.length;
    const families =
      server.children().filter(({ parent }) => parent === server.pid).length;
    if (sandboxes > families) {
      const what = `${sandboxes} sandboxes of ${families} families at ${at} s`;
      ledger.problem("descriptors", what);
    }
  }

  /** Memory of the zygote that lived longest. */
  get zygote(): readonly Sample[] {
    const lives = this.#zygotes.map(({ memory }) => memory);
    return lives.reduce((a, b) => b.length > a.length ? b : a, []);
  }

  /** Growth after the warm-up, in bytes; what is too much is a problem. */
  growth(length: number): { parent: number; zygote: number } {
    const late = (samples: readonly Sample[]) =>
      growth(samples.filter(({ at }) => at >= WARM_UP * length));
    const grown = { parent: late(this.memory), zygote: late(this.zygote) };
    for (const role of ["parent", "zygote"] as const) {
      if (grown[role] <= allowed(length)[role]) continue;
      const megabytes = (grown[role] / 1e6).toFixed(1);
      const what = `the ${role} grew by ${megabytes} MB`;
      this.#running.ledger.problem("memory", what);
    }
    return grown;
  }

  #lookAtZygote(pid: number, at: number): void {
    let life = this.#zygotes.find((life) => life.pid === pid);
    if (!life) this.#zygotes.push(life = { pid, memory: [] });
    life.memory.push({ at, value: ownMemory(pid) });
  }

  #lookForZombies(children: readonly ProcessInfo[], at: number): void {
    const zombies = children.filter(({ state }) => state === "Z");
    this.zombies.push({ at, value: zombies.length });
    for (const pid of this.#ended.keys()) {
      if (!zombies.some((zombie) => zombie.pid === pid)) {
        this.#ended.delete(pid);
      }
    }
    for (const { pid, parent, comm } of zombies) {
      const reaper = children.find(({ pid }) => pid === parent);
      const since = reaper?.state === "T" ? at : this.#ended.get(pid) ?? at;
      this.#ended.set(pid, since);
      if (at - since <= LONGEST_ZOMBIE) continue;
      const who = reaper ? `${reaper.comm}, ${reaper.state}` : "server";
      const what = `${comm} ${pid} of ${parent} (${who}) ended ${
        Math.round(at - since)
      } s ago`;
      this.#running.ledger.problem("zombie", what);
      this.#ended.set(pid, Infinity); // told once
    }
  }
}

/** `RssAnon` of `/proc/PID/status` (proc(5)), in bytes; 0 when the process is gone. */
function ownMemory(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return 1024 * Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
