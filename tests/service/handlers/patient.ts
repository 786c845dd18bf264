/** Says hello, and goodbye when the server drains. */
import type { Connection } from "../../../src/mod.ts";

export default async function patient(connection: Connection): Promise<void> {
  const { signal } = connection;
  const drained = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => drained.resolve());
  if (signal.aborted) drained.resolve(); // it may have come before we looked
  await connection.write(new TextEncoder().encode("hello "));
  await drained.promise;
  await connection.write(new TextEncoder().encode("goodbye"));
}
