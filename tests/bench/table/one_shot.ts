/**
 * Clients that send one line, get it back and end: from their start to their end.
 *
 * @module
 */
import { commandLine } from "../../helpers/command.ts";
import { missing } from "../../helpers/tools.ts";
import { Contestant } from "./contestant.ts";
import { executable, type Line, type Peer } from "./peers.ts";
import type { Row } from "./rows.ts";

/**
 * The clients that are here, as peers: their command is for the port of a server.
 *
 * @returns By the name that `--peers` takes.
 */
export function clientsHere(): Map<string, Peer> {
  const local = (port: number) => ["127.0.0.1", String(port)];
  const clients = new Map<string, Peer>([
    ["client", {
      name: "`mpserv client --raw`",
      command: (port) => commandLine(["client", "--raw", ...local(port)]),
    }],
  ]);
  const add = (id: string, name: string, line: (port: number) => Line) =>
    clients.set(id, { name, command: line });
  const path = executable("mpclient");
  if (path !== null) {
    const name = "`mpclient --raw`, compiled";
    add("mpclient", name, (port) => [path, "--raw", ...local(port)]);
  }
  if (!missing("socat", "socat")) {
    add("socat-client", "`socat - TCP:…`", (port) => [
      "socat",
      "-t10", // to wait for the echo
      "-",
      `TCP:127.0.0.1:${port}`,
    ]);
  }
  if (!missing("ncat", "ncat")) {
    add("ncat-client", "`ncat`", (port) => ["ncat", ...local(port)]);
  }
  return clients;
}

/**
 * The row of these clients.
 *
 * @param clients Who.
 * @param server Whom they talk to: the same for all.
 * @returns The row.
 */
export function oneShotRow(clients: Iterable<string>, server: Peer): Row {
  return {
    id: "client",
    figures: [{ title: "client, one line: start to end, ms" }],
    peers: [...clients],
    measure: async (client) => {
      await using contestant = Contestant.launch(server.command);
      await contestant.listens();
      const [program, ...args] = client.command(contestant.port);
      const from = performance.now();
      const process = new Deno.Command(program, {
        args,
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
        signal: AbortSignal.timeout(30_000),
      }).spawn();
      const writer = process.stdin.getWriter();
      await writer.write(new TextEncoder().encode("hi\n"));
      await writer.close();
      const { stdout } = await process.output();
      const time = performance.now() - from;
      const text = new TextDecoder().decode(stdout);
      if (text !== "hi\n") throw new Error(`it printed "${text}"`);
      return [time];
    },
  };
}
