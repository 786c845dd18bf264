/** The modules that `serve` and `client` load, as a debugger sees them. */
import assert from "node:assert/strict";
import { commandEnvironment, commandLine } from "../helpers/command.ts";
import { isCompiled } from "../helpers/handler_file.ts";
import { LogReader } from "../helpers/log_reader.ts";
import { MODELS } from "../helpers/models.ts";
import { models, startServer, TestServer } from "../helpers/server.ts";
import { test, until, within } from "../helpers/testing.ts";
import { connect, exchange } from "../helpers/wire_client.ts";

/** Words before a command line, `deno run --quiet …`, with which it waits for a debugger, and says where. */
const DEBUGGED = [
  "/bin/sh",
  "-c",
  'deno=$1; shift 3; exec "$deno" run --inspect-wait=127.0.0.1:0 "$@"',
  "sh",
];
/** The one package on the way. */
const LOG = "@logtape/logtape";
const ROOT = new URL("../../", import.meta.url).href;

/** A debugger that lets a process begin, and is told of every module that it loads. */
class Debugger implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #closed: Promise<unknown>;
  readonly #urls: string[] = [];

  constructor(address: string) {
    const socket = new WebSocket(address);
    this.#socket = socket;
    this.#closed = new Promise((resolve) => socket.onclose = resolve);
    socket.onopen = () => {
      for (const [at, step] of STEPS.entries()) {
        socket.send(JSON.stringify({ id: at, method: step }));
      }
    };
    socket.onmessage = ({ data }) => {
      const { method, params } = JSON.parse(data);
      if (method === "Debugger.scriptParsed") this.#urls.push(params.url);
    };
  }

  /** The modules so far, but for those that are the runtime's and no one else's. */
  get modules(): string[] {
    return this.#urls.filter((url) =>
      /^(file|node|npm|https?|data):/.test(url)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await within("the end of the debugger", this.#closed);
  }
}
const STEPS = [
  "Runtime.enable",
  "Debugger.enable",
  "Runtime.runIfWaitingForDebugger",
];

/** Attaches to a process that has been started with one. */
async function attach(log: LogReader): Promise<Debugger> {
  let address: string | undefined;
  await until("the debugger listens", () => {
    address = /ws:\S+/.exec(log.others.join("\n"))?.[0];
    return address !== undefined;
  });
  return new Debugger(address!);
}

/**
 * Whether a file asks for a module of Node's. The debugger knows not who did: the runtime loads some for
 * itself, Deno 2.7 all of them.
 */
function importsNode(url: string): boolean {
  if (!url.startsWith("file:")) return false;
  const code = Deno.readTextFileSync(new URL(url));
  return /^import\s[^;]*["']node:|\bimport\(\s*["']node:/m.test(code);
}

/** Fails for modules of Node's, for packages, and for what the role does not need. */
function areFew(
  modules: readonly string[],
  { packages, without }: { packages: string[]; without: RegExp },
): void {
  const own = modules.filter((url) => url.startsWith(`${ROOT}src/`));
  assert.ok(own.length > 10, `${own.length} of ours`);
  const others = modules.filter((url) => !url.startsWith(ROOT))
    .filter((url) => !url.startsWith("node:"))
    .filter((url) => !packages.some((name) => url.includes(`/${name}/`)));
  assert.deepEqual(others, []);
  assert.deepEqual(own.filter((url) => without.test(url)), []);
  assert.deepEqual(modules.filter(importsNode), []);
}

/** Modules that are loaded only on demand. */
const WANTED_SELDOM =
  /cli\/(bench|control|help|client_command|given|grammar)\b|cli\/serve\/(project|watch|handler|metrics|resolve_process|service_manager|take_over|traffic)\b|server\/proxy\/|\/client\/|\/bench\//;

const OF_SERVERS =
  /\/src\/(server\/(?!networks)|model|control|child|bench)\/|serve_options/;

/** Starts a command with a debugger. */
function startDebugged(words: readonly string[]): Deno.ChildProcess {
  const [program, ...args] = [...DEBUGGED, ...commandLine(words)];
  return new Deno.Command(program!, {
    args,
    env: commandEnvironment(),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
}

for (const model of models()) {
  test(
    `modules (${model}): serve loads none of Node's, no package but the log, and nothing that it does not need`,
    async () => {
      const { args } = MODELS[model]!.few;
      const process = startDebugged([
        ...["serve", "0", "--log-format", "json"],
        ...args,
      ]);
      await process.stdin.close();
      await process.stdout.cancel();
      await using server = new TestServer(process, model);
      await using debug = await attach(server.log);
      const { address } = await server.log.waitFor(/^listening on /);
      using conn = await connect(Number(String(address).split(":").at(-1)));
      await exchange(conn, new Uint8Array([1]));
      areFew(debug.modules, { packages: [LOG], without: WANTED_SELDOM });
    },
    { ignore: isCompiled },
  );
}

test(
  "modules: client loads none of Node's, no package, and nothing of the server's",
  async () => {
    await using server = await startServer();
    const client = startDebugged(["client", "127.0.0.1", `${server.port}`]);
    const log = new LogReader(client.stderr);
    {
      await using debug = await attach(log);
      const writer = client.stdin.getWriter();
      await writer.write(new TextEncoder().encode("hello\n"));
      const reader = client.stdout.getReader();
      await within("an answer", reader.read()); // both of its processes are at work
      reader.releaseLock();
      areFew(debug.modules, { packages: [], without: OF_SERVERS });
      await writer.close();
      await client.stdout.cancel();
    }
    await within("the client's end", client.status);
    await log.ended;
  },
  { ignore: isCompiled },
);
