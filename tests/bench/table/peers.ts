/**
 * The measured servers: ours, the seed, and the programs that people use for the same work. Limits of
 * their own (connections at once, connections a second, backlog) are lifted for all.
 *
 * @module
 */
import { commandLine } from "../../helpers/command.ts";
import { compileSeed } from "../../helpers/seed.ts";
import { missing } from "../../helpers/tools.ts";

/** A command line. */
export type Line = readonly [string, ...string[]];

/** One that is measured. */
export interface Peer {
  /** Its name in the table. */
  readonly name: string;
  /** Its command line for a port. */
  command(port: number): Line;
}

const LOCAL = "127.0.0.1";
const MANY = "20000";

/** Our own server, from source. Nobody else logs each connection either. */
function mpserv(...options: string[]): Peer["command"] {
  return (port) =>
    commandLine([
      "serve",
      String(port),
      "--log-level",
      "warning",
      "--max-connections", // nobody else has a limit that is reached here
      "0",
      ...options,
    ]);
}

function socat(program: string): Peer["command"] {
  const listen = (port: number) =>
    `TCP-LISTEN:${port},bind=${LOCAL},reuseaddr,fork,backlog=4096`;
  return (port) => ["socat", listen(port), program];
}

function deno(script: string): Peer["command"] {
  const file = new URL(`servers/${script}.ts`, import.meta.url).pathname;
  return (port) => [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-config",
    "-A",
    file,
    String(port),
  ];
}

/** `xinetd` reads a file, in which the port is. */
function xinetd(directory: string, service: string): Peer["command"] {
  return (port) => {
    const file = `${directory}/xinetd-${port}.conf`;
    Deno.writeTextFileSync(
      file,
      `defaults
{
  instances = UNLIMITED
  per_source = UNLIMITED
  cps = 1000000 1
}
service echo
{
  ${service}
  socket_type = stream
  protocol = tcp
  bind = ${LOCAL}
  port = ${port}
  user = ${Deno.uid() === 0 ? "root" : "nobody"}
  wait = no
}
`,
    );
    const pid = `${directory}/xinetd-${port}.pid`;
    return ["xinetd", "-dontfork", "-stayalive", "-f", file, "-pidfile", pid];
  };
}

/**
 * Everyone who can be measured here; who cannot is named on standard error.
 *
 * @param directory Where files of theirs may be written.
 * @returns By the name that `--peers` takes.
 */
export async function peersHere(directory: string): Promise<Map<string, Peer>> {
  const peers = new Map<string, Peer>([
    ["fork", { name: "mpserv `fork`", command: mpserv("--model", "fork") }],
    ["pool", { name: "mpserv `pool`", command: mpserv("--model", "pool") }],
    ["spawn", { name: "mpserv `spawn`", command: mpserv("--model", "spawn") }],
    ["listen", { name: "`Deno.listen`, one process", command: deno("listen") }],
    ["cluster", { name: "`node:cluster` in Deno", command: deno("cluster") }],
  ]);
  const compiled = new URL("../../../dist/mpserv", import.meta.url).pathname;
  if (await exists(compiled)) {
    const command = (port: number): Line => [
      compiled,
      "serve",
      String(port),
      "--log-level",
      "warning",
    ];
    peers.set("compiled", { name: "mpserv, compiled", command });
  } else skip("mpserv, compiled: no dist/mpserv: run `deno task compile`");
  const seed = await compileSeed("echo_mpserv", directory);
  if (seed) {
    peers.set("seed", {
      name: "seed's C server",
      command: (port) => [seed, String(port)],
    });
  } else skip("the seed's C server: no source or no C compiler here");
  addInstalled(peers, directory);
  return peers;
}

function addInstalled(peers: Map<string, Peer>, directory: string): void {
  if (!missing("tcpserver", "tcpserver")) {
    const options = ["-R", "-H", "-l0", "-b4096", `-c${MANY}`, LOCAL];
    peers.set("tcpserver", {
      name: "`tcpserver … cat`",
      command: (port) => ["tcpserver", ...options, String(port), "cat"],
    });
  }
  if (!missing("socat", "socat")) {
    peers.set("socat-exec", {
      name: "`socat … EXEC:cat`",
      command: socat("EXEC:cat"),
    });
    peers.set("socat-pipe", {
      name: "`socat … PIPE`",
      command: socat("PIPE"),
    });
  }
  if (!missing("ncat", "ncat")) {
    const options = ["-lk", "-m", MANY, "-e", "/bin/cat", LOCAL];
    peers.set("ncat", {
      name: "`ncat -lk -e /bin/cat`",
      command: (port) => ["ncat", ...options, String(port)],
    });
  }
  if (!missing("xinetd", "xinetd")) {
    peers.set("xinetd", {
      name: "`xinetd`, its own echo",
      command: xinetd(
        directory,
        "type = INTERNAL UNLISTED\n  id = echo-stream",
      ),
    });
    peers.set("xinetd-cat", {
      name: "`xinetd`, `cat`",
      command: xinetd(
        directory,
        "type = UNLISTED\n  id = cat\n  server = /bin/cat",
      ),
    });
  }
}

/** Says aloud that something is not measured. */
function skip(what: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`SKIPPED: ${what}\n`));
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
