/**
 * Waiting for those who have begun to connect, when nobody else can begin any more.
 *
 * @module
 */
import { PosixError } from "../posix/errno.ts";
import { handshakes } from "../posix/net/socket_diagnostics.ts";
import { within } from "./countdown.ts";

/** How often the kernel is asked whether any is left, in milliseconds. */
const BEAT = 5;
/** How long clients that do not finish are waited for, in milliseconds: one answer of ours may get lost. */
const PATIENCE = 3_000;
/** How long all are waited for where the kernel does not say who there is, in milliseconds. */
const BLIND = 50;

/**
 * Waits until the kernel knows of nobody who has begun to connect; they are in the backlog then, or gone.
 */
export async function finishHandshakes(
  listener: Deno.NetAddr,
  hurried: Promise<void>,
): Promise<void> {
  const end = performance.now() + PATIENCE;
  // One that was answered at the moment at which others were shut out may not be told of at the first look.
  for (let none = 0; none < 2 && performance.now() < end;) {
    const left = count(listener);
    if (left === null) return void await within(BLIND, hurried);
    none = left === 0 ? none + 1 : 0;
    if (await within(left === 0 ? 0 : BEAT, hurried)) return;
  }
}

/** Null where the kernel does not say. */
function count(listener: Deno.NetAddr): number | null {
  try {
    return handshakes(listener);
  } catch (error) {
    if (error instanceof PosixError) return null;
    throw error;
  }
}
