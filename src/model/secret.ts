/**
 * Secrets of connections: who knows it is the process that was made for the connection.
 *
 * @module
 */
import { SECRET_SIZE } from "../wire/records.ts";

/** So many are drawn at a time. */
const POOL = 256;
const pool = new Uint8Array(POOL * SECRET_SIZE);
let used = pool.length;

/**
 * Draws one.
 *
 * @returns Bytes that nobody can guess.
 */
export function newSecret(): Uint8Array<ArrayBuffer> {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  return pool.slice(used, used += SECRET_SIZE);
}
