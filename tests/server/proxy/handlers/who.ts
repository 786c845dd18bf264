import type { Connection } from "../../../../src/mod.ts";

/** Says in one line who the client is, then echoes. */
export default async function who(connection: Connection): Promise<void> {
  const line = JSON.stringify(connection.remoteAddr) + "\n";
  await connection.write(new TextEncoder().encode(line));
  await connection.readable.pipeTo(connection.writable);
}
