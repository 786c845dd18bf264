/**
 * The log: LogTape's records on standard error, as text or as JSON lines; a server's events appear in the seed's
 * words.
 *
 * @module
 */
import {
  configureSync,
  getLogger,
  type Logger,
  type LogRecord,
  type TextFormatter,
} from "@logtape/logtape";
import type { RefusalReason, ServerReceiver } from "../../server/events.ts";
import type { SandboxChoice } from "../../wire/choices.ts";
import { type Reason, UNFINISHED } from "../../wire/records.ts";
import { visible } from "../terminal.ts";
import type { ServeOptions } from "./options/serve_options.ts";

const LEVEL_NAMES: Readonly<Record<LogRecord["level"], string>> = {
  trace: "TRACE",
  debug: "DEBUG",
  info: "INFO ",
  warning: "WARN ",
  error: "ERROR",
  fatal: "FATAL",
};

const NO_RECORD: LogRecord = {
  category: [],
  level: "debug",
  message: [""],
  rawMessage: "",
  timestamp: 0,
  properties: { why: undefined, address: "::" },
};

/** The most characters that may wait to be written; further lines are dropped and counted. */
const MAX_PENDING = 1 << 20;

/** Makes a line of a record, by the name of the format. */
export const FORMATTERS: Record<ServeOptions["logFormat"], TextFormatter> = {
  text: formatText,
  json: formatJson,
};

/** A log and its end. */
export interface Log {
  /** Where to write. */
  readonly logger: Logger;
  /** Resolves when all lines are written, or after a moment without a reader. */
  flush(): Promise<void>;
}

/**
 * Opens the log. Lines appear at once, whole, and in order; a reader that is stuck costs lines, which
 * are counted, and never stalls the server.
 */
export function openLog(
  level: ServeOptions["logLevel"],
  format: ServeOptions["logFormat"],
): Log {
  const writer = new LineWriter(Deno.stderr);
  const formatter = FORMATTERS[format];
  configureSync({
    reset: true,
    sinks: { stderr: (record) => writer.write(formatter(record)) },
    loggers: [
      { category: "mpserv", sinks: ["stderr"], lowestLevel: level },
      {
        category: ["logtape", "meta"],
        sinks: ["stderr"],
        lowestLevel: "error",
      },
    ],
  });
  void formatter(NO_RECORD); // it is compiled before anybody waits for a line
  return { logger: getLogger("mpserv"), flush: () => writer.flush() };
}

/** A line of text: time, level, the seed's words, then the fields as `name=value`. */
function formatText(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString().replace("T", " ")
    .replace("Z", "");
  let line = `${time} ${LEVEL_NAMES[record.level]} ${record.message.join("")}`;
  for (const [name, value] of Object.entries(record.properties)) {
    const inMessage = String(record.rawMessage).includes(`{${name}}`);
    if (value !== undefined && !inMessage) line += ` ${name}=${plain(value)}`;
  }
  return visible(line) + "\n";
}

/** A line of JSON: `time` (RFC 3339), `level`, `message`, and the fields by their names. */
function formatJson(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString();
  const message = record.message.join("");
  const level = LEVEL_NAMES[record.level].trim();
  const line = JSON.stringify({
    time,
    level,
    message,
    ...record.properties,
  });
  return visible(line) + "\n";
}

/** A value as one word; quoted where it could be read as more. */
function plain(value: unknown): string {
  const text = String(value);
  return /^[\w.:[\]/@+%-]+$/.test(text) ? text : JSON.stringify(text);
}

/** Writes lines without waiting for them. */
class LineWriter {
  readonly #out: { write(bytes: Uint8Array): Promise<number> };
  readonly #encoder = new TextEncoder();
  #pending = "";
  #dropped = 0;
  #writing: Promise<void> | undefined;

  constructor(out: { write(bytes: Uint8Array): Promise<number> }) {
    this.#out = out;
  }

  write(line: string): void {
    if (this.#pending.length + line.length > MAX_PENDING) this.#dropped++;
    else this.#pending += line;
    this.#writing ??= this.#drain();
  }

  async flush(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const moment = new Promise<void>((resolve) =>
      timer = setTimeout(resolve, 500)
    );
    await Promise.race([this.#writing, moment]);
    clearTimeout(timer);
  }

  async #drain(): Promise<void> {
    try {
      while (this.#pending !== "") {
        const bytes = this.#encoder.encode(this.#pending);
        this.#pending = "";
        for (let sent = 0; sent < bytes.length;) {
          sent += await this.#out.write(bytes.subarray(sent));
        }
        if (this.#dropped > 0) {
          this.#pending +=
            `... ${this.#dropped} log lines dropped: their reader is too slow\n`;
          this.#dropped = 0;
        }
      }
    } catch {
      this.#pending = ""; // the log has no reader any more; the service continues
    }
    this.#writing = undefined;
  }
}

/** How long refusals are collected after one was told, in milliseconds. */
const PAUSE = 1_000;

interface Refused {
  readonly peer: string;
  /** More about the reason, where there is more to say. */
  readonly why?: string | undefined;
}

/** Refusals of one reason that have not been told. */
interface Untold {
  count: number;
  last: Refused;
  timer: ReturnType<typeof setTimeout>;
}

/** Tells the first refusal of a reason at once, and from then on at most once a second how many came. */
export class RefusalLog {
  readonly #tell: (reason: RefusalReason, count: number, last: Refused) => void;
  readonly #untold = new Map<RefusalReason, Untold>();

  constructor(
    tell: (reason: RefusalReason, count: number, last: Refused) => void,
  ) {
    this.#tell = tell;
  }

  /** A connection was refused. */
  add(reason: RefusalReason, refused: Refused): void {
    const untold = this.#untold.get(reason);
    if (untold) {
      untold.count++;
      untold.last = refused;
      return;
    }
    this.#untold.set(reason, {
      count: 0,
      last: refused,
      timer: this.#later(reason),
    });
    this.#tell(reason, 1, refused);
  }

  /** Writes the collected refusals, and collects no more. */
  flush(): void {
    for (const [reason, { count, last, timer }] of this.#untold) {
      clearTimeout(timer);
      if (count > 0) this.#tell(reason, count, last);
    }
    this.#untold.clear();
  }

  #later(reason: RefusalReason): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      const { count, last } = this.#untold.get(reason)!;
      this.#untold.delete(reason);
      if (count === 0) return;
      this.#untold.set(reason, { count: 0, last, timer: this.#later(reason) });
      this.#tell(reason, count, last);
    }, PAUSE);
  }
}

/** A receiver of a server's events that collects some of them. */
interface ServerLog extends ServerReceiver {
  /** Writes the collected events; call it last. */
  flush(): void;
}

/** Ends that a person should look into. */
const TROUBLES: readonly Reason[] = ["error", "killed", "program"];

/** Logs a server's events. `handler`: the handler that serves, as it was typed; undefined when none does. */
export function logEvents(logger: Logger, handler?: string): ServerLog {
  // Asked once: thousands of connections a second must not pay for lines that are not written.
  const debug = logger.isEnabledFor("debug");
  const info = logger.isEnabledFor("info");
  let isWarned = false;
  /** Once, since a handler does the same for every client. */
  const warnOfUnfinished = (id: number) => {
    if (isWarned) return;
    isWarned = true;
    logger.warn(
      'handler "{handler}" returned while a read or write was pending, which closed its connection: return or await the promise',
      { handler, id },
    );
  };
  const refusals = new RefusalLog((reason, count, { peer, why }) => {
    logger.warn("clients refused", { reason, count, peer, why });
  });
  return {
    accepted({ id, peer, via }) {
      if (debug) logger.debug("accepted", { id, peer, via: via?.proxy });
    },
    connected({ id, peer, via, pid }) {
      if (!info) return;
      const proxy = via?.proxy;
      logger.info("new client connected...", { id, peer, via: proxy, pid });
    },
    disconnected(
      { id, peer, pid },
      { bytesIn, bytesOut, reason, text },
      milliseconds,
    ) {
      const isUnfinished = reason === "closed" && text === UNFINISHED;
      if (isUnfinished) warnOfUnfinished(id);
      if (!info && !TROUBLES.includes(reason)) return;
      const own = reason === "program"; // its code or signal says all
      const says = text !== "" && reason !== "closed";
      const why = own ? text : says ? `${reason}: ${text}` : reason;
      const ms = Math.round(milliseconds);
      const level = TROUBLES.includes(reason) ? "warn" : "info";
      logger[level]("client disconnected...", {
        id,
        peer,
        pid,
        in: bytesIn ?? undefined,
        out: bytesOut ?? undefined,
        ms,
        reason: why,
      });
    },
    removed(pid, { code, signal }) {
      if (!info) return;
      logger.info("removed proc id: {pid}", {
        pid,
        ...(signal !== null
          ? { signal }
          : { code: code < 0 ? "unknown" : code }),
      });
    },
    refused({ id, peer }, why) {
      logger.warn("client refused", { id, peer, why });
    },
    rejected(peer, reason, why) {
      if (debug) logger.debug("rejected", { peer, reason, why });
      refusals.add(reason, { peer, why });
    },
    flush() {
      refusals.flush();
    },
    trouble(what) {
      logger.warn(asTemplate(what));
    },
    changed(what) {
      logger.info(asTemplate(what));
    },
    draining(live) {
      logger.info("draining: no more connections are accepted", { live });
    },
    ending(live) {
      logger.warn("drain timeout: ending the remaining connections", { live });
    },
  };
}

/** In milliseconds: a daemon whose first calls are refused exits long before. */
const SOON = 5_000;

/** Says once that system calls are filtered, when a program ends with an error soon after its start. */
export function hintAtFilter(
  logger: Logger,
  { hasFilters }: SandboxChoice,
): ServerReceiver {
  if (!hasFilters) return {};
  let isSaid = false;
  return {
    disconnected({ takenAt }, { reason, text }) {
      if (isSaid || reason !== "program") return;
      if (performance.now() - takenAt > SOON) return;
      isSaid = true;
      logger.warn(
        `A program exited soon after its start (${text}): its standard error may say why: use --sandbox off only if it needs a refused system call or setuid`,
      );
    },
  };
}

/** Braces stand for themselves. */
function asTemplate(line: string): string {
  return line.replaceAll("{", "{{").replaceAll("}", "}}");
}
