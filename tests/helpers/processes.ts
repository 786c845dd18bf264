/**
 * Processes and their descriptors as the kernel shows them in `/proc` (proc(5)). Linux only.
 *
 * @module
 */

/** A line of the process table. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  /** `R`, `S`, `D`, `Z` for a zombie, … */
  readonly state: string;
  /** The process's name, at most 15 bytes. */
  readonly comm: string;
}

/**
 * The kernel's own processes, but for those that come and go: tests look at all others again and again. No others that
 * are older than a test: a number of one that has ended may soon be that of a test's.
 */
const kernels = new Set(
  Deno.build.os === "linux" ? processIds().filter(isOfKernel) : [],
);

function isOfKernel(pid: number): boolean {
  const { parent, session, comm = "kworker" } = processInfo(pid) ?? {};
  return parent === 2 && session === 0 && !comm.startsWith("kworker");
}

/** Every process at this moment but for the kernel's. */
export function processTable(): ProcessInfo[] {
  return processIds().filter((id) => !kernels.has(id)).map(processInfo)
    .filter((info) => info !== null);
}

function processIds(): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
    .filter((id) => id > 0);
}

/** One process; null when it is gone. */
export function processInfo(pid: number): ProcessInfo | null {
  let stat: string;
  try {
    stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch {
    return null;
  }
  // The name stands in parentheses and may itself hold parentheses and blanks.
  const open = stat.indexOf("("), close = stat.lastIndexOf(")");
  const [state = "", parent, , session] = stat.slice(close + 2).split(" ");
  const comm = stat.slice(open + 1, close);
  return { pid, parent: Number(parent), session: Number(session), state, comm };
}

/** Whether a process is there and no zombie. */
export function isAlive(pid: number): boolean {
  const state = processInfo(pid)?.state ?? "X";
  return state !== "Z" && state !== "X";
}

/** The children of a process, their children, and so on. */
export function descendants(root: number): ProcessInfo[] {
  const table = processTable();
  const found: ProcessInfo[] = [];
  const parents = [root];
  for (let pid; (pid = parents.shift()) !== undefined;) {
    const children = table.filter(({ parent }) => parent === pid);
    found.push(...children);
    parents.push(...children.map((child) => child.pid));
  }
  return found;
}

/** The targets of a process's descriptors, such as `socket:[4711]`; empty if the process is gone. */
export function descriptors(pid: number): string[] {
  const links: string[] = [];
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      try {
        links.push(Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
      } catch {
        // Closed since it was listed.
      }
    }
  } catch {
    // The process is gone.
  }
  return links;
}

/** Sockets of a server, as links of {@linkcode descriptors}. */
export interface ServerSockets {
  readonly listening: Set<string>;
  readonly connected: Set<string>;
}

/** The server's ends of the TCP sockets of one port. */
export function serverSockets(port: number): ServerSockets {
  const found = { listening: new Set<string>(), connected: new Set<string>() };
  const its = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of Deno.readTextFileSync(table).split("\n")) {
      if (!line.includes(its)) continue;
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (parseInt(local?.split(":")[1] ?? "", 16) !== port) continue;
      const LISTEN = "0A";
      found[state === LISTEN ? "listening" : "connected"].add(
        `socket:[${inode}]`,
      );
    }
  }
  return found;
}

/** A process and its sockets but for Unix domain sockets, as links of {@linkcode descriptors}. */
export interface WithSockets {
  readonly pid: number;
  readonly sockets: string[];
}

/** Of some processes, those that have sockets other than Unix domain sockets, such as connections. */
export function withSockets(processes: readonly ProcessInfo[]): WithSockets[] {
  if (processes.length === 0) return [];
  const [, ...lines] = Deno.readTextFileSync("/proc/net/unix").split("\n");
  const unix = lines.map((line) => `socket:[${line.split(/\s+/)[6]}]`);
  const known = new Set(unix);
  return processes.map(({ pid }) => ({
    pid,
    sockets: descriptors(pid).filter((link) =>
      link.startsWith("socket:") && !known.has(link)
    ),
  })).filter(({ sockets }) => sockets.length > 0);
}

/** Bytes that wait in this machine to be sent to a TCP port: `tx_queue` of `/proc/net/tcp`. */
export function unsentBytes(port: number): number {
  let sum = 0;
  for (const line of Deno.readTextFileSync("/proc/net/tcp").split("\n")) {
    const [, , remote, , queues] = line.trim().split(/\s+/);
    if (parseInt(remote?.split(":")[1] ?? "", 16) !== port) continue;
    sum += parseInt(queues?.split(":")[0] ?? "", 16);
  }
  return sum;
}

/** How many of some sockets a process has. */
export function countSockets(pid: number, sockets: Set<string>): number {
  return descriptors(pid).filter((link) => sockets.has(link)).length;
}

/** Sends a signal to a process, unless it is gone. */
export function signalNow(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

/** SIGKILL, unless it is gone. */
export function killNow(pid: number): void {
  signalNow(pid, "SIGKILL");
}
