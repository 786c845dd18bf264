/**
 * The processes that a benchmark starts (role `@bench`), each with its own code: load, a slower link, and a client that
 * takes part in a comparison.
 *
 * @module
 */
import { setInherit } from "../posix/fd.ts";
import { encodeAddress } from "../posix/net/address.ts";
import { getLimit, setLimit, setProcessName } from "../posix/process.ts";
import type { Share } from "./plan.ts";
import { Recorder } from "./recorder.ts";
import { ExchangeLoad, HoldLoad, StreamLoad } from "./loads.ts";
import type { SlotWork } from "./slots.ts";

/* A process that makes load (role `@bench load`). */

/** Local addresses that connections to this machine come from in turn: each has 28,000 ports or so. */
const SOURCES = 64;

/** Makes the load, and tells about it on standard output. */
function makeLoad(share: Share): void {
  setProcessName("mpserv:bench");
  for (const { fd } of share.inherited) setInherit(fd, false);
  const { soft, hard } = getLimit("files");
  if (soft < hard) setLimit("files", { soft: hard, hard });
  const { mode, warmup, duration } = share;
  const recorder = new Recorder(
    mode === "hold" ? undefined : { from: warmup, to: warmup + duration },
  );
  const load = prepare(share, recorder);
  recorder.tell("ready");
  mayGoOn();
  recorder.start();
  load.run(mayGoOn);
  recorder.tell("end");
}

function prepare(
  share: Share,
  recorder: Recorder,
): { run(mayGoOn: () => void): void } {
  if (share.mode === "stream") return new StreamLoad(share, recorder);
  const { target, mode, size } = share;
  const work: SlotWork = {
    peer: encodeAddress(target),
    sources: localSources(share),
    size,
    noDelay: mode !== "connect" && "port" in target,
    oneRequest: mode === "connect",
  };
  const Load = mode === "hold" ? HoldLoad : ExchangeLoad;
  return new Load(share, work, recorder);
}

/** 127.0.0.2 and on, which every Linux has without asking. */
function localSources({ target, mode }: Share): Uint8Array<ArrayBuffer>[] {
  const isHere = "port" in target && target.hostname.startsWith("127.");
  if (!isHere || mode === "ping" || Deno.build.os !== "linux") return [];
  return Array.from({ length: SOURCES }, (_, i) =>
    encodeAddress({
      transport: "tcp",
      hostname: `127.0.0.${i + 2}`,
      port: 0,
    }));
}

/** Waits for a byte on standard input; ends the process when none can come any more. */
function mayGoOn(): void {
  if (Deno.stdin.readSync(new Uint8Array(1)) === null) Deno.exit(1);
}

export type ClientKind = "split" | "lock-step";

/** The work, which it receives as JSON. */
export interface ClientWork {
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
      return makeLoad(what);
    case "relay":
      return (await import("./relay.ts")).relay(what);
    case "client":
      return await converse(what);
    default:
      throw new TypeError(`Cannot run "${which}": no such process`);
  }
}

if (import.meta.main) await run(Deno.args);
