/**
 * `mpserv serve` under a service manager; loaded only when there is one.
 *
 * @module
 */
import type { Logger } from "@logtape/logtape";
import type { Listener } from "../../server/listener.ts";
import {
  Notifier,
  openPassed,
  readPassed,
  watchdogInterval,
} from "../../server/systemd/manager.ts";
import type { ManagerVariables } from "../../server/systemd/variables.ts";
import { UserError } from "../terminal.ts";

/**
 * Opens the listening socket that the manager passed. `name`: the name of the socket; undefined when there is but
 * one. Returns the listener, the caller's to close; null when none was passed to this process. Throws
 * `UserError | ListenError` when it cannot be served, or a name fits none.
 */
export function listenForManager(
  variables: ManagerVariables,
  name: string | undefined,
): Listener | null {
  const passed = readPassed(variables, Deno.pid);
  if (passed.length > 0) return openPassed(passed, name);
  if (name === undefined) return null;
  const pid = variables.LISTEN_PID;
  const why = pid === undefined
    ? "no socket was passed"
    : `the sockets were passed to process ${pid}, and this is process ${Deno.pid}`;
  throw new UserError(
    `Cannot serve a socket named "${name}": ${why}: start it from a systemd socket unit, or omit --fd-name`,
  );
}

/**
 * Readies telling the manager how we are. Returns what tells it, the caller's to dispose of. Throws `UserError` when
 * the variables make no sense.
 */
export function openNotifier(
  variables: ManagerVariables,
  logger: Logger,
): Notifier {
  try {
    return new Notifier(
      variables.NOTIFY_SOCKET ?? "",
      watchdogInterval(variables, Deno.pid),
      (what) => logger.warn("{what}", { what }),
    );
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}
