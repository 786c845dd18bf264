/**
 * Handles the signals of a server.
 *
 * @module
 */
import { isHangUpIgnored } from "../../posix/process.ts";
import { formatDuration } from "../values.ts";
import type { Log } from "./log.ts";

/**
 * The first SIGINT or SIGTERM drains, the second ends. SIGHUP (the terminal was closed) drains unless it was
 * ignored at the start (nohup(1)); it may come twice, from the shell and from the system.
 */
export function handleSignals(
  { logger }: Log,
  { stop, hurry, active }: {
    stop: AbortController;
    hurry: AbortController;
    active: () => number;
  },
  { drainTimeout }: { readonly drainTimeout: number },
): void {
  // Before any listener: the first one makes the runtime catch SIGHUP, too.
  const isIgnored = isHangUpIgnored();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      logger.info("received {signal}", { signal });
      if (stop.signal.aborted) return hurry.abort();
      if (active() > 0 && drainTimeout > 0) {
        logger.info(
          "connections may finish for {time}: {again} ends them now",
          {
            time: formatDuration(drainTimeout),
            again: `a second ${signal === "SIGINT" ? "Ctrl-C" : signal}`,
          },
        );
      }
      stop.abort();
    });
  }
  // SIGPIPE needs nothing: the runtime ignores it.
  Deno.addSignalListener("SIGHUP", () => {
    if (isIgnored) return;
    logger.info("received {signal}", { signal: "SIGHUP" });
    stop.abort();
  });
}

/** Waits for the start; null if the server is told to end before that. */
export function unlessStopped<Started>(
  starting: Promise<Started>,
  stop: AbortSignal,
): Promise<Started | null> {
  return new Promise((resolve, reject) => {
    starting.then(resolve, reject);
    stop.addEventListener("abort", () => resolve(null));
    if (stop.aborted) resolve(null);
  });
}
