/**
 * A real browser without a window, driven over its debugging protocol
 * (https://chromedevtools.github.io/devtools-protocol/).
 *
 * @module
 */
import { until, within } from "../helpers/testing.ts";

/** What a page looked like. */
export interface Look {
  /** Errors on its console, exceptions, and requests for anything but itself. */
  readonly complaints: string[];
  /** What the expression gave. */
  readonly value: unknown;
}

/** How to look at a page. */
export interface LookOptions {
  /** Width of the screen, in CSS pixels. */
  readonly width: number;
  /** Whether the person likes it dark. */
  readonly dark: boolean;
  /** An expression to evaluate in the page; its value must go through JSON. */
  readonly expression: string;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  // deno-lint-ignore no-explicit-any
  readonly params?: any;
  // deno-lint-ignore no-explicit-any
  readonly result?: any;
  readonly error?: { message: string };
}

/** A running browser; ended at the end of the block. */
export class Browser implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #directory: string;
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (message: Message) => void>();
  #events: Message[] = [];
  #heard = Promise.withResolvers<void>();
  #next = 1;

  private constructor(
    process: Deno.ChildProcess,
    directory: string,
    socket: WebSocket,
  ) {
    this.#process = process;
    this.#directory = directory;
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
  }

  /** Starts one. */
  static async start(path: string): Promise<Browser> {
    const directory = await Deno.makeTempDir({ prefix: "mpserv-test-" });
    const args = ["--headless", "--no-sandbox", "--disable-gpu"];
    args.push("--disable-dev-shm-usage", "--no-first-run");
    args.push("--remote-debugging-port=0", `--user-data-dir=${directory}`);
    const process = new Deno.Command(path, {
      args: [...args, "about:blank"],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const address = await within("the browser", addressOf(process));
    const socket = new WebSocket(address);
    await within(
      "the browser",
      new Promise((resolve) => socket.onopen = resolve),
    );
    return new Browser(process, directory, socket);
  }

  /** Looks at a page of a file. */
  async look(url: string, options: LookOptions): Promise<Look> {
    const { targetId } = await this.#ask("Target.createTarget", {
      url: "about:blank",
    });
    const { sessionId } = await this.#ask("Target.attachToTarget", {
      targetId,
      flatten: true,
    });
    const ask = (method: string, params = {}) =>
      this.#ask(method, params, sessionId);
    this.#events = [];
    for (const domain of ["Page", "Runtime", "Log", "Network"]) {
      await ask(`${domain}.enable`);
    }
    const { width, dark, expression } = options;
    const screen = { width, height: 900, deviceScaleFactor: 1, mobile: true };
    await ask("Emulation.setDeviceMetricsOverride", screen);
    const scheme = {
      name: "prefers-color-scheme",
      value: dark ? "dark" : "light",
    };
    await ask("Emulation.setEmulatedMedia", { features: [scheme] });
    await ask("Page.navigate", { url });
    await within("the page", this.#event("Page.loadEventFired"));
    const { result } = await ask("Runtime.evaluate", {
      expression,
      returnByValue: true,
    });
    await this.#ask("Target.closeTarget", { targetId });
    return {
      complaints: this.#events.flatMap((it) => complaint(it, url)),
      value: result.value,
    };
  }

  async #ask(
    method: string,
    params: unknown,
    sessionId?: string,
  ): Promise<Message["result"]> {
    const id = this.#next++;
    const answered = new Promise<Message>((resolve) =>
      this.#answers.set(id, resolve)
    );
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    const { result, error } = await within(method, answered);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  async #event(method: string): Promise<void> {
    while (!this.#events.some((event) => event.method === method)) {
      await this.#heard.promise;
    }
  }

  #hear(message: Message): void {
    if (message.id !== undefined) this.#answers.get(message.id)?.(message);
    else this.#events.push(message);
    this.#heard.resolve();
    this.#heard = Promise.withResolvers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.onclose = resolve);
    this.#socket.send(
      JSON.stringify({ id: this.#next, method: "Browser.close" }),
    );
    await within(
      "the browser's end",
      Promise.all([closed, this.#process.status]),
    );
    // Processes that it started outlive it for a moment, and write there.
    await until(
      "its directory can be removed",
      () =>
        Deno.remove(this.#directory, { recursive: true })
          .then(() => true, () => false),
    );
  }
}

/** Where the browser listens: it says so on standard error, which is read to its end. */
async function addressOf(process: Deno.ChildProcess): Promise<string> {
  const found = Promise.withResolvers<string>();
  (async () => {
    let text = "";
    for await (
      const part of process.stderr.pipeThrough(new TextDecoderStream())
    ) {
      text += part;
      const address = /listening on (ws:\S+)/.exec(text)?.[1];
      if (address) found.resolve(address);
    }
    found.reject(new Error(`The browser ended:\n${text}`));
  })();
  return await found.promise;
}

function complaint({ method, params }: Message, url: string): string[] {
  switch (method) {
    case "Runtime.exceptionThrown":
      return [params.exceptionDetails.text];
    case "Runtime.consoleAPICalled":
      return params.type === "error" ? [JSON.stringify(params.args)] : [];
    case "Log.entryAdded":
      return params.entry.level === "error" ? [params.entry.text] : [];
    case "Network.requestWillBeSent": {
      const asked: string = params.request.url;
      return asked === url || asked.startsWith("data:")
        ? []
        : [`asks for ${asked}`];
    }
    default:
      return [];
  }
}
