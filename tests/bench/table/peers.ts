/**
 * The measured servers: ours, the seed, and the programs that people use for the same work. Limits of
 * their own (connections at once, connections a second, backlog) are lifted for all.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { commandLine } from "../../helpers/command.ts";
import { compileSeed } from "../../helpers/seed.ts";
import { exists } from "../../helpers/testing.ts";
import { missing } from "../../helpers/tools.ts";
import { skip } from "./machine.ts";

/** A command line. */
export type Line = readonly [string, ...string[]];

/** One that is measured. */
export interface Peer {
  /** Its name in the table. */
  readonly name: string;
  /** What the table says of it in the place of "failed", where the reason is known. */
  readonly fails?: string;
  /** Its command line for a port. */
  command(port: number): Line;
}

const LISTEN = "`Deno.listen`, one process";
const LOCAL = "127.0.0.1";
const MANY = "20000";

/** Options of ours in every measurement: nobody else logs each connection, or has a limit that is reached here. */
const QUIET = ["--log-level", "warning", "--max-connections", "0"];

/** Our own server, from source. */
function mpserv(...options: string[]): Peer["command"] {
  return (port) => commandLine(["serve", String(port), ...QUIET, ...options]);
}

function socat(program: string): Peer["command"] {
  const listen = (port: number) =>
    `TCP-LISTEN:${port},bind=${LOCAL},reuseaddr,fork,backlog=4096`;
  return (port) => ["socat", listen(port), program];
}

/** A server of Deno without ours; `servers/` has it. */
function deno(script: string, ...more: string[]): Peer["command"] {
  const file = fileURLToPath(new URL(`servers/${script}.ts`, import.meta.url));
  const flags = ["run", "--quiet", "--no-config", "-A"];
  return (port) => [Deno.execPath(), ...flags, file, String(port), ...more];
}

/** One handler in our models, and in a single process of Deno. */
function handlers(id: string): [string, Peer][] {
  const file = `${id}.ts`;
  const path = fileURLToPath(new URL(`handlers/${file}`, import.meta.url));
  const ours = (model: string): [string, Peer] => [`${id}-${model}`, {
    name: `mpserv \`${model}\`, a handler`,
    command: mpserv("--model", model, "--handler", path),
  }];
  return [
    ...["fork", "pool", "spawn"].map(ours),
    [`${id}-listen`, { name: LISTEN, command: deno("listen", file) }],
  ];
}

/**
 * An executable of `deno task compile`: in the folder that MPSERV_TEST_BIN names, or in dist/.
 *
 * @param name `mpserv` or `mpclient`.
 * @returns Its path; null where there is none.
 */
export function executable(name: string): string | null {
  const dist = fileURLToPath(new URL("../../../dist", import.meta.url));
  const path = `${Deno.env.get("MPSERV_TEST_BIN") ?? dist}/${name}`;
  return exists(path) ? path : null;
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
    ["pool", {
      name: "mpserv `pool`, rewound",
      command: mpserv("--model", "pool"),
    }],
    ["pool-off", {
      name: "mpserv `pool --rewind off`",
      command: mpserv("--model", "pool", "--rewind", "off"),
    }],
    ["spawn", { name: "mpserv `spawn`", command: mpserv("--model", "spawn") }],
    ["listen", { name: LISTEN, command: deno("listen", "await.ts") }],
    ["cluster", { name: "`node:cluster` in Deno", command: deno("cluster") }],
    ...handlers("await"),
    ...handlers("streams"),
  ]);
  const compiled = executable("mpserv");
  if (compiled === null) {
    skip("executables: no dist/mpserv: run `deno task compile`");
  } else {
    for (const model of ["fork", "pool", "spawn"]) {
      peers.set(`compiled-${model}`, {
        name: `mpserv \`${model}\`, executable`,
        command: (
          port,
        ) => [compiled, "serve", String(port), ...QUIET, "--model", model],
      });
    }
  }
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
      fails: "loses connections",
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
