/**
 * What a person at a terminal is told when the conversation begins.
 *
 * @module
 */
import { formatAddress } from "../posix/address.ts";
import type { ClientOptions } from "./client.ts";

/**
 * Says whom the client is connected to and how to end, if a person sits at a terminal and nothing else
 * hears or reads along.
 *
 * @param options How the client talks.
 */
export function greet(options: ClientOptions): void {
  const streams = [Deno.stdin, Deno.stdout, Deno.stderr];
  if (!streams.every((stream) => stream.isTerminal())) return;
  const name = formatAddress(options.target);
  const line = `Connected to ${name}: ${howToEnd(options)} ends\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(line));
}

function howToEnd({ raw, noShutdown }: ClientOptions): string {
  const ways = [
    ...(raw ? [] : ['a line "q"']),
    ...(noShutdown ? [] : ["Ctrl-D"]),
  ];
  return ways.length === 0 ? "Ctrl-C" : ways.join(" or ");
}
