/**
 * The log: LogTape's records on standard error, as text or as JSON lines.
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
import type { LogChoice, LogFormat } from "./options/operation_options.ts";
import { visible } from "../terminal.ts";

const LEVEL_NAMES: Readonly<Record<LogRecord["level"], string>> = {
  trace: "TRACE",
  debug: "DEBUG",
  info: "INFO ",
  warning: "WARN ",
  error: "ERROR",
  fatal: "FATAL",
};

/** What waits to be written at most, in characters; beyond it lines are dropped and counted. */
const MAX_PENDING = 1 << 20;

/** A log and its end. */
export interface Log {
  /** Where to write. */
  readonly logger: Logger;
  /** Resolves when all lines are out, or after a moment if nobody reads them. */
  flush(): Promise<void>;
}

/**
 * Opens the log. Lines appear at once, whole, and in order; a reader that is stuck costs lines, which
 * are counted, and never stalls the server.
 */
export function openLog(level: LogChoice, format: LogFormat): Log {
  const writer = new LineWriter(Deno.stderr);
  const formatter: TextFormatter = format === "json" ? formatJson : formatText;
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
  return { logger: getLogger("mpserv"), flush: () => writer.flush() };
}

/**
 * A line of text: time, level, the seed's words, then the fields as `name=value`.
 */
export function formatText(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString().replace("T", " ")
    .replace("Z", "");
  let line = `${time} ${LEVEL_NAMES[record.level]} ${record.message.join("")}`;
  for (const [name, value] of Object.entries(record.properties)) {
    const inMessage = String(record.rawMessage).includes(`{${name}}`);
    if (value !== undefined && !inMessage) line += ` ${name}=${plain(value)}`;
  }
  return visible(line) + "\n";
}

/**
 * A line of JSON: `time` (RFC 3339), `level`, `message`, and the fields by their names.
 */
export function formatJson(record: LogRecord): string {
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
            `... ${this.#dropped} log lines dropped: nobody read them\n`;
          this.#dropped = 0;
        }
      }
    } catch {
      this.#pending = ""; // nobody is left to read the log; the service goes on
    }
    this.#writing = undefined;
  }
}
