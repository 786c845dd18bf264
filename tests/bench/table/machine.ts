/**
 * The machine: what it is, and whether it is quiet.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
/** How long a look at the processors takes, in milliseconds. */
const LOOK = 150;
/** Share of one processor that others may use before the machine counts as busy. */
const NOISE = 0.15;

/**
 * How much others use the processors while nothing of ours runs.
 *
 * @returns Processors' worth: 1 is one processor all the time. What a hypervisor takes away counts, too.
 */
export async function loadOfOthers(): Promise<number> {
  const from = usedTicks();
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, LOOK));
  const seconds = (performance.now() - start) / 1000;
  return (usedTicks() - from) / 100 / seconds; // USER_HZ is 100
}

/**
 * Whether that is too much to believe what is measured then.
 *
 * @param load Processors' worth.
 * @returns Whether the machine is busy.
 */
export function isBusy(load: number): boolean {
  return load > NOISE;
}

/** Ticks that all processors were used or stolen, from /proc/stat (proc(5)). */
function usedTicks(): number {
  const [line = ""] = Deno.readTextFileSync("/proc/stat").split("\n");
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] =
    line.trim().split(/\s+/).slice(1).map(Number);
  return user + nice + system + irq + softirq + steal;
}

/** The machine and the versions of a measurement. */
export interface Machine {
  /** When, ISO 8601, to the day. */
  readonly date: string;
  /** The processor's name. */
  readonly processor: string;
  /** Processors. */
  readonly cores: number;
  /** The kernel's release. */
  readonly kernel: string;
  /** What a process costs here at least, in microseconds; null where there is no C compiler. */
  readonly costs: Costs | null;
  /** Versions of the programs that are measured, and of ours. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Times of a small C program, in microseconds: machines differ by ten in them, and all servers depend on them. */
export interface Costs {
  /** `fork`, `_exit` and `waitpid`. */
  readonly fork: number;
  /** `fork`, `execve` of `/bin/true` and `waitpid`. */
  readonly execve: number;
}

/** How many processes are timed at once, and how often; the median counts. */
const TIMED = { fork: "500", exec: "200" };
const TIMES = 5;

/**
 * Times what a process costs here.
 *
 * @param directory Where a program may be written.
 * @returns The times; null where there is no C compiler.
 */
export async function costsHere(directory: string): Promise<Costs | null> {
  const [source, program] = [
    fileURLToPath(new URL("cost.c", import.meta.url)),
    `${directory}/cost`,
  ];
  const said = await outputOf("gcc", ["-O2", "-o", program, source]);
  const time = async (what: keyof typeof TIMED) => {
    const found: number[] = [];
    for (let i = 0; i < TIMES; i++) {
      found.push(Number(await outputOf(program, [what, TIMED[what]])));
    }
    return found.sort((one, other) => one - other)[TIMES >> 1]!;
  };
  const costs = { fork: await time("fork"), execve: await time("exec") };
  if (costs.fork > 0 && costs.execve > 0) return costs;
  skip(`the cost of a process: no C compiler, or it failed: ${said.trim()}`);
  return null;
}

/** Says aloud that something is not measured. */
export function skip(what: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`SKIPPED: ${what}\n`));
}

/**
 * Describes this machine.
 *
 * @param directory Where a program may be written.
 * @returns The description.
 */
export async function describeMachine(directory: string): Promise<Machine> {
  const cpus = Deno.readTextFileSync("/proc/cpuinfo");
  const versions: Record<string, string> = {
    Deno: Deno.version.deno,
    mpserv: await mpservVersion(),
  };
  for (const [name, [args, pattern]] of Object.entries(VERSIONS)) {
    const found = pattern.exec(await outputOf(name, args))?.[1];
    if (found) versions[name] = found;
  }
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: /^model name\s*:\s*(.+)$/m.exec(cpus)?.[1] ?? Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    kernel: Deno.osRelease(),
    costs: await costsHere(directory),
    versions,
  };
}

/** How each program is asked for its version, and where that is in the answer. */
const VERSIONS: Readonly<Record<string, [string[], RegExp]>> = {
  gcc: [["--version"], / (\d+\.\d+\.\d+)/],
  socat: [["-V"], /socat version (\S+)/],
  ncat: [["--version"], /Version (\S+)/],
  xinetd: [["-version"], /(\d+(?:\.\d+)+)/],
};

async function mpservVersion(): Promise<string> {
  const commit = await outputOf("git", ["rev-parse", "--short", "HEAD"]);
  return commit.trim() || "of no commit";
}

async function outputOf(program: string, args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await new Deno.Command(program, {
      args,
      cwd: new URL(".", import.meta.url),
    }).output();
    const decoder = new TextDecoder();
    return decoder.decode(stdout) + decoder.decode(stderr);
  } catch {
    return ""; // not installed
  }
}
