/**
 * Starting the process of a spawned worker.
 *
 * @module
 */
import { SIGNALS } from "../posix/abi.ts";
import { type Fd, setInherit } from "../posix/fd.ts";
import { askCredentials } from "../posix/net/credentials.ts";
import { socketPair } from "../posix/net/sockets.ts";
import { type ChildOptions, encodeOptions } from "../wire/child_options.ts";
import {
  childCommand,
  Early,
  type RuntimeProcess,
  startRuntime,
} from "./runtime_process.ts";

/** A process that was just started. */
export interface SpawnedProcess {
  /** The process; the runtime reaps it. */
  readonly process: RuntimeProcess;
  /** The parent's end of its channel; the caller's to close. */
  readonly channel: Fd;
}

/** The first one, perhaps. */
export const earlySpawned: Early<SpawnedProcess> = new Early(
  start,
  ({ process, channel }) => {
    channel.close();
    process.handle.signal(SIGNALS.SIGKILL);
  },
);

function start(options: ChildOptions): SpawnedProcess {
  const [channel, theirs] = socketPair();
  try {
    askCredentials(channel.number);
    const args = [String(theirs.number), encodeOptions(options)];
    const line = childCommand(args, options);
    // Only this child inherits the end: nothing else can be started before it is closed.
    setInherit(theirs.number, true);
    return { process: startRuntime(line, options), channel };
  } catch (error) {
    channel.close();
    throw error;
  } finally {
    theirs.close();
  }
}
