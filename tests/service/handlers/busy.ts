/** A handler that uses the processor for as many milliseconds as its client says. */
import { cpuUsage } from "node:process";
import type { Connection } from "../../../src/mod.ts";

export default async function busy(connection: Connection): Promise<void> {
  const buffer = new Uint8Array(16);
  const count = await connection.read(buffer) ?? 0;
  const amount = Number(new TextDecoder().decode(buffer.subarray(0, count)));
  const end = used() + 1000 * amount;
  while (used() < end);
  await connection.write(new TextEncoder().encode("ok"));
}

/** Processor time of this process, in microseconds. */
function used(): number {
  const { user, system } = cpuUsage();
  return user + system;
}
