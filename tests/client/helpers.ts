/**
 * What tests ask of bytes and of processes.
 *
 * @module
 */
import { signalProcess } from "../../src/posix/process.ts";

/** Longer than anything here takes on a busy machine, in milliseconds. */
export const DEADLINE = 30_000;

/** Bytes that look like their place in a stream: two that change places are seen. */
export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, length)));
  }
  return bytes;
}

/** Whether two are the same; a failed `deepEqual` of megabytes would print them. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** A test with every sanitizer on, whatever the runtime's version takes for granted. */
export function test(name: string, fn: () => Promise<void> | void): void {
  Deno.test({
    name,
    fn,
    sanitizeOps: true,
    sanitizeResources: true,
    sanitizeExit: true,
  });
}

/** Waits until something holds; fails loudly when it does not. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  for (const end = Date.now() + DEADLINE; !await holds();) {
    if (Date.now() > end) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The child processes of a process. */
export async function childrenOf(pid: number): Promise<number[]> {
  const { stdout } = await new Deno.Command("ps", {
    args: ["-A", "-o", "pid=,ppid="],
  }).output();
  const rows = new TextDecoder().decode(stdout).trim().split("\n");
  return rows.map((row) => row.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === pid).map(([child]) => child!);
}

/** Whether a process is there and no zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  if (!signalProcess(pid, 0)) return false;
  const { stdout } = await new Deno.Command("ps", {
    args: ["-o", "stat=", "-p", `${pid}`],
  }).output();
  const state = new TextDecoder().decode(stdout).trim();
  return state !== "" && !state.startsWith("Z");
}
