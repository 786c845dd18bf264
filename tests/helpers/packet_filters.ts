/**
 * Whether this user may put a filter on a socket: some systems let only root. A server of another user does without.
 *
 * @module
 */
import { findListener } from "../../src/posix/net/runtime_sockets.ts";
import { refuseNewcomers } from "../../src/posix/seccomp/filter.ts";

/**
 * Tells aloud where it may not: tests that need it are skipped.
 *
 * @param what What is skipped.
 * @returns Whether it may; true for root in any case.
 */
export function mayFilterPackets(what: string): boolean {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const may = refuseNewcomers(findListener(listener.addr));
  if (may || Deno.uid() === 0) return true;
  const line = `SKIPPED: ${what}: only root may filter packets here\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
  return false;
}
