/**
 * Starting the process of a zygote.
 *
 * @module
 */
import { SIGNALS } from "../posix/abi.ts";
import { type Fd, setInherit } from "../posix/fd.ts";
import { askCredentials } from "../posix/net/credentials.ts";
import { socketPair } from "../posix/net/sockets.ts";
import { descriptorTarget } from "../posix/proc.ts";
import { runtimeEnvironment } from "../runtime/roles.ts";
import { type ChildOptions, encodeOptions } from "../wire/child_options.ts";
import { openLibrary } from "../zygote/machine_code/open_library.ts";
import {
  Early,
  type RuntimeProcess,
  startRuntime,
  zygoteCommand,
} from "./runtime_process.ts";

/** The process and the parent's ends of its sockets, for {@linkcode Zygote} to close. */
export interface ZygoteProcess {
  /** The process; the runtime reaps it. */
  readonly process: RuntimeProcess;
  /** Down, and up from the zygote alone. */
  readonly channel: Fd;
  /** Up, from its children. */
  readonly reports: Fd;
  /** Its end of the channel, as `/proc/PID/fd` shows it; null where nothing does. */
  readonly end: string | null;
}

// Opened once, and held for as long as zygotes may be started.
let library: Fd | null | undefined;

/** Those that have not ended. */
const running = new Set<RuntimeProcess>();

/** The first one, perhaps. */
export const earlyZygote: Early<ZygoteProcess> = new Early(
  start,
  ({ process, channel, reports }) => {
    for (const fd of [channel, reports]) fd.close();
    process.handle.signal(SIGNALS.SIGKILL);
  },
);

function start(options: ChildOptions): ZygoteProcess {
  const [channel, theirChannel] = socketPair();
  const [reports, theirReports] = socketPair();
  try {
    askCredentials(reports.number);
    const theirs = [theirChannel, theirReports];
    const args = [
      ...theirs.map((fd) => String(fd.number)),
      encodeOptions(options),
    ];
    const line = zygoteCommand(args, options);
    for (const fd of theirs) setInherit(fd.number, true);
    const environment = zygoteEnvironment(options.grants);
    const process = startRuntime(line, options, environment);
    running.add(process);
    void process.status.then(() => running.delete(process));
    addEventListener("unload", endAll); // again is the same
    const end = descriptorTarget(theirChannel.number);
    return { process, channel, reports, end };
  } catch (error) {
    channel.close();
    reports.close();
    throw error;
  } finally {
    theirChannel.close();
    theirReports.close();
  }
}

/**
 * Ends what is left when this process does, such as a server that is refused its control socket. They
 * would end by themselves, but whoever is only starting first says that it cannot find our library.
 */
function endAll(): void {
  for (const { handle } of running) handle.signal(SIGNALS.SIGKILL);
}

/** What keeps page tables small, since each child pays for them: few arenas, and packed memory. */
function zygoteEnvironment(
  grants: readonly string[],
): Record<string, string> {
  library = library === undefined ? openLibrary() : library;
  const preload = library &&
    { LD_PRELOAD: `/proc/${Deno.pid}/fd/${library.number}` };
  return { ...runtimeEnvironment(grants), MALLOC_ARENA_MAX: "1", ...preload };
}
