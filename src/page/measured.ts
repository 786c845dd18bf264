/**
 * The book's picture, measured: lines through a slow link, sent by the client that waits and by the one that does not.
 *
 * @module
 */
import { compare } from "../bench/compare.ts";
import { ControlClient } from "../control/ask.ts";

/** The measurement that the page may request. */
interface MeasurePlan {
  /** Milliseconds that a byte travels, one way. */
  readonly delay: number;
  readonly lines: number;
}

/** An upper limit, so that no request waits without end. */
const MOST = { delay: 500, lines: 20 };
/** How long a client may go without a line, beside the round trip, in milliseconds. */
const TIMEOUT = 10_000;
/** Lines are typed this much of a round trip after another, and not faster than that many milliseconds. */
const PACE = { part: 0.12, least: 3 };

/** Reads the page's request; null when it is none. */
export function readMeasurePlan(asked: unknown): MeasurePlan | null {
  const { delay, lines } = Object(asked);
  const isIn = (value: unknown, least: number, most: number) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
  return isIn(delay, 0, MOST.delay) && isIn(lines, 1, MOST.lines)
    ? { delay, lines }
    : null;
}

/**
 * Measures both clients at the server of a control socket, and calls `over` when it is over, however that is. Returns
 * lines of JSON: how far it is, and at last the comparison, or why there is none.
 */
export function measure(
  control: string,
  { delay, lines }: MeasurePlan,
  over: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let isRead = true;
  return new ReadableStream({
    async start(controller) {
      const say = (what: object) => {
        const line = encoder.encode(JSON.stringify(what) + "\n");
        if (isRead) controller.enqueue(line);
      };
      try {
        using client = await ControlClient.connect(control);
        const { listener } = await client.ask({ command: "status" });
        const pace = Math.max(PACE.least, Math.round(2 * delay * PACE.part));
        const plan = {
          ...{ target: reachable(listener), lines, delay, bandwidth: null },
          ...{ timeout: TIMEOUT, pace },
        };
        const comparison = await compare(plan, {
          show: (part, client) => say({ part, client }),
        });
        say({ comparison });
      } catch (error) {
        say({ error: (error as Error).message });
      } finally {
        over();
        if (isRead) controller.close();
      }
    },
    cancel() {
      isRead = false; // the clients end by themselves
    },
  });
}

/** A server that listens on all addresses is reached on this machine's own. */
function reachable(
  listener: Deno.NetAddr | Deno.UnixAddr,
): Deno.NetAddr | Deno.UnixAddr {
  if ("path" in listener) return listener;
  const own: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  return { ...listener, hostname: own[listener.hostname] ?? listener.hostname };
}
