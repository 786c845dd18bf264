/**
 * The processes that a benchmark starts (role `@bench`), each with its own code: load, a slower link, and a client that
 * takes part in a comparison.
 *
 * @module
 */

export type ClientKind = "split" | "lock-step";

/** The work, which it receives as JSON. */
export interface ClientWork {
  /** Which. */
  readonly client: ClientKind;
  /** Where it connects to. */
  readonly target: Deno.NetAddr;
}

/** Milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/**
 * Talks over standard input and output, as `mpserv client` does, to the end. Throws `Error` when the conversation
 * fails; the message is for a person.
 */
async function converse({ client, target }: ClientWork): Promise<void> {
  const connectTimeout = CONNECT_TIMEOUT;
  const options = { target, prefix: "", raw: false, connectTimeout };
  if (client === "split") {
    return await (await import("../client/client.ts")).runClient(options);
  }
  return await (await import("../client/lock_step.ts")).runLockStep(options);
}

/** Runs one of them to its end. Throws `TypeError` when there is no such process. */
export async function run(args: readonly string[]): Promise<void> {
  const [which, json = "null"] = args;
  const what = JSON.parse(json);
  switch (which) {
    case "load":
      return (await import("./load_process.ts")).makeLoad(what);
    case "relay":
      return (await import("./relay.ts")).relay(what);
    case "client":
      return await converse(what);
    default:
      throw new TypeError(`Cannot run "${which}": no such process`);
  }
}

if (import.meta.main) await run(Deno.args);
