/**
 * `mpserv serve --take-over`: the running server's socket, if it is the one that is meant.
 *
 * @module
 */
import { ControlClient } from "../../control/ask.ts";
import { Inheritance } from "../../control/inheritance.ts";
import { locate } from "../control/find_server.ts";
import type { ServeOptions } from "./options/serve_options.ts";
import { EXIT, UserError } from "../terminal.ts";

/**
 * Asks the running server for its socket. Returns what it gave, the caller's to dispose of. Throws `ControlError`
 * when no server runs there, or it refuses. Throws `UserError` when it listens elsewhere than was typed.
 */
export async function inherit(options: ServeOptions): Promise<Inheritance> {
  const { control, unix, port, backlog } = options;
  const path = control ?? await locate(unix ?? String(port));
  using client = await ControlClient.connect(path);
  const { address, listener } = await client.ask({ command: "status" });
  const typed = contradiction(options, listener);
  if (typed === null) return await Inheritance.ask(path, backlog);
  throw new UserError(
    `Cannot take over ${typed}: the server at "${path}" listens on ${address}: use this address, or start without --take-over`,
    EXIT.usage,
  );
}

/** The typed address if the server listens elsewhere; null if it matches. */
function contradiction(
  { unix, typedPort, typedHost }: ServeOptions,
  address: Deno.NetAddr | Deno.UnixAddr,
): string | null {
  if ("path" in address) {
    if (typedPort !== undefined) return `port ${typedPort}`;
    if (typedHost !== undefined) return `host "${typedHost}"`;
    return unix !== undefined && !sameFile(unix, address.path)
      ? `"${unix}"`
      : null;
  }
  if (unix !== undefined) return `"${unix}"`;
  if (typedPort !== undefined && typedPort !== address.port) {
    return `port ${typedPort}`;
  }
  // A name may stand for any address: only an address can contradict.
  const isAddress = /^[\d.]+$|:/.test(typedHost ?? "");
  return isAddress && typedHost !== address.hostname
    ? `host "${typedHost}"`
    : null;
}

function sameFile(one: string, other: string): boolean {
  try {
    return Deno.realPathSync(one) === Deno.realPathSync(other);
  } catch {
    return one === other;
  }
}
