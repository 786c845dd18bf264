/** Sends back each byte plus one: nothing but this handler answers so. */
import type { Connection } from "../../../src/mod.ts";

export default async function plusOne(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(32 * 1024);
  for (let count; (count = await connection.read(buffer)) !== null;) {
    await connection.write(buffer.subarray(0, count).map((byte) => byte + 1));
  }
}
