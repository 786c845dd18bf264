/**
 * Finds out whether the runtime exports telemetry (OpenTelemetry), and ends such a process.
 *
 * @module
 */
import type { Logger } from "@logtape/logtape";
import type { Metrics } from "./metrics.ts";

/** By name: no executable has it, since none exports. */
const METRICS = "./metrics.ts";
/** The longest time for the rest of the event loop, in milliseconds. */
const LAST_WORK = 5_000;
/** How long the last export may take, in seconds: more than its own time-out, 10 s unless said otherwise. */
const LAST_EXPORT = 30;

/** Whether a person told the runtime to: it takes no other word for it. */
function wantsTelemetry(): boolean {
  return Deno.env.get("OTEL_DENO") === "true";
}

/**
 * Whether the runtime does so. Returns false in an executable, which `deno compile` has made up its mind for: it does
 * not look at its environment (Deno 2.7.11, 2.9).
 */
export function exportsTelemetry(): boolean {
  return wantsTelemetry() && !Deno.build.standalone;
}

/** Metrics where the runtime exports them: nothing of them is loaded elsewhere. */
export async function openMetrics(
  logger: Logger,
): Promise<Metrics | undefined> {
  if (exportsTelemetry()) {
    const { Metrics }: typeof import("./metrics.ts") = await import(METRICS);
    return new Metrics();
  }
  if (!wantsTelemetry()) return;
  logger.warn(
    "Cannot export metrics: an executable ignores OTEL_DENO: run mpserv from source with Deno",
  );
}

/**
 * Lets the event loop come to its end, which exports what was counted last. `Deno.exit` exports as
 * well, but waits forever where an export is under way (seen with Deno 2.7.11 and 2.9.6). Deno 2.7
 * also waits forever for a collector that never answers: SIGALRM ends the process then.
 */
export async function endExporting(code: number): Promise<void> {
  const { endWithin } = await import("../../posix/forking.ts");
  endWithin(LAST_EXPORT);
  Deno.unrefTimer(setTimeout(() => Deno.exit(code), LAST_WORK));
  Deno.exitCode = code;
}
