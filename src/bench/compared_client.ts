/**
 * A client that takes part in a comparison (role `@bench client`).
 *
 * @module
 */

/** Which client. */
export type ClientKind = "split" | "lock-step";

/** What it gets as JSON. */
export interface ClientWork {
  /** Which. */
  readonly client: ClientKind;
  /** Where it connects to. */
  readonly target: Deno.NetAddr;
}

/** Milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/**
 * Talks over standard input and output, as `mpserv client` does, to the end.
 *
 * @throws {Error} When the conversation fails; the message is for a person.
 */
export async function converse({ client, target }: ClientWork): Promise<void> {
  const connectTimeout = CONNECT_TIMEOUT;
  const options = { target, prefix: "", raw: false, connectTimeout };
  if (client === "split") {
    return await (await import("../client/client.ts")).runClient(options);
  }
  return await (await import("../client/lock_step.ts")).runLockStep(options);
}
