/** Says hello, and goodbye when the server drains. */
import type { Connection } from "../../../src/mod.ts";

export default async function patient(connection: Connection): Promise<void> {
  const { signal } = connection;
  const drained = new Promise((resolve) =>
    signal.addEventListener("abort", resolve)
  );
  await connection.write(new TextEncoder().encode("hello "));
  await drained;
  await connection.write(new TextEncoder().encode("goodbye"));
}
