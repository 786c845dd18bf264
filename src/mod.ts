/**
 * The types for those who write services: a module whose default export is a {@linkcode Service}
 * serves every connection in a process of its own.
 *
 * @example
 * ```ts
 * import type { Connection } from "@mpserv/mpserv";
 *
 * export default async function shout(connection: Connection): Promise<void> {
 *   const decoder = new TextDecoder();
 *   for await (const chunk of connection.readable) {
 *     const text = decoder.decode(chunk, { stream: true });
 *     await connection.write(new TextEncoder().encode(text.toUpperCase()));
 *   }
 * }
 * ```
 *
 * @module
 */
export type {
  Connection,
  ConnectionAddress,
  Service,
} from "./service/service.ts";
