/** Listens to no signal that can be listened to, and never returns. */
import type { Connection } from "../../../src/mod.ts";

export default function deaf(connection: Connection): Promise<void> {
  Deno.addSignalListener("SIGTERM", () => {});
  connection.signal.addEventListener("abort", () => {});
  setInterval(() => {}, 1000);
  return new Promise(() => {});
}
