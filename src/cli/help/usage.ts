/**
 * What processes use of the machine, as /proc shows it (proc(5), Linux).
 *
 * @module
 */
import { readProcFile } from "../../posix/proc.ts";

/** What one process uses. */
export interface Usage {
  /** Its name as the system shows it. */
  readonly name: string;
  /** Share of one core since it was looked at last, in percent; null the first time. */
  readonly cpu: number | null;
  /** Memory of it that is in use, shared or not, in bytes. */
  readonly memory: number;
}

/** Ticks of utime and stime a second: `sysconf(_SC_CLK_TCK)` is 100 wherever Deno runs. */
const TICKS = 100;

/** Looks at processes from time to time. */
export class UsageMeter {
  #before = new Map<number, { ticks: number; at: number }>();
  #seen = new Map<number, { ticks: number; at: number }>();

  /**
   * Looks at a process.
   *
   * @returns What it uses; null when it has gone, or the system has no /proc.
   */
  look(pid: number): Usage | null {
    if (Deno.build.os !== "linux" || pid === 0) return null;
    try {
      const stat = readProcFile(`/proc/${pid}/stat`);
      const status = readProcFile(`/proc/${pid}/status`);
      // The name stands in parentheses and may itself hold parentheses and blanks.
      const close = stat.lastIndexOf(")");
      const name = stat.slice(stat.indexOf("(") + 1, close);
      const fields = stat.slice(close + 2).split(" "); // from the third on
      const ticks = Number(fields[11]) + Number(fields[12]);
      const kibibytes = Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? 0);
      const cpu = this.#share(pid, ticks);
      return { name, cpu, memory: kibibytes * 1024 };
    } catch {
      return null;
    }
  }

  /** What was not looked at since the last call is forgotten. */
  next(): void {
    this.#before = this.#seen;
    this.#seen = new Map();
  }

  #share(pid: number, ticks: number): number | null {
    const at = performance.now();
    const before = this.#before.get(pid);
    this.#seen.set(pid, { ticks, at });
    if (!before || ticks < before.ticks) return null;
    return 100 * (ticks - before.ticks) / TICKS / ((at - before.at) / 1000);
  }
}
