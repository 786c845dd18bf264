/**
 * The machine: what it is, and whether it is quiet.
 *
 * @module
 */

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
  /** Versions of the programs that are measured, and of ours. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Describes this machine.
 *
 * @returns The description.
 */
export async function describeMachine(): Promise<Machine> {
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
