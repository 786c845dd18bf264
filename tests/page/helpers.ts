/**
 * The page of a server in a real browser.
 *
 * @module
 */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { needsBrowser, startBrowser } from "../bench/browser.ts";
import { commandEnvironment, commandLine } from "../helpers/command.ts";
import { controlled } from "../control/helpers.ts";
import type { TestServer } from "../helpers/server.ts";
import { within } from "../helpers/testing.ts";

/** `mpserv page`. */
export class TestPage implements AsyncDisposable {
  /** Its address, with its key. */
  readonly url: string;
  readonly #process: Deno.ChildProcess;

  private constructor(url: string, process: Deno.ChildProcess) {
    this.url = url;
    this.#process = process;
  }

  /** Starts it, of a server that runs, or of whoever has a control socket. */
  static async of(
    server: TestServer | string,
    more: readonly string[] = [],
    env: Record<string, string> = {},
  ): Promise<TestPage> {
    const path = typeof server === "string" ? server : server.controlPath;
    await controlled(path);
    const [program, ...args] = commandLine(["page", path, ...more]);
    const process = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
      env: { ...commandEnvironment(), ...env },
    }).spawn();
    const reader = process.stdout.getReader();
    let text = "";
    while (!text.endsWith("\n")) {
      const { value } = await within("the page's address", reader.read());
      if (value === undefined) break;
      text += new TextDecoder().decode(value);
    }
    reader.releaseLock();
    return new TestPage(text.trim(), process);
  }

  /** Where it is, without the key. */
  get origin(): string {
    return new URL(this.url).origin;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGTERM");
    const { code } = await within("the page's end", this.#process.status);
    await this.#process.stdout.cancel();
    assert.equal(code, 0);
  }
}

/**
 * Tests in one browser, each in tabs of its own, which it closes: to start a browser costs more than most of them.
 *
 * @param name What is tested.
 * @param steps What holds, each by its name.
 */
export function testInBrowser(
  name: string,
  steps: Readonly<Record<string, (browser: Browser) => Promise<void>>>,
): void {
  Deno.test({
    name,
    ...needsBrowser("the page"),
    fn: async (t) => {
      await using browser = await startBrowser();
      for (const [title, step] of Object.entries(steps)) {
        // It is spoken to all the time: the test as a whole is what leaves nothing behind.
        await t.step({
          name: title,
          fn: () => step(browser),
          sanitizeOps: false,
          sanitizeResources: false,
        });
      }
    },
  });
}

/** A tab that complains of nothing; disposing of it says whether it did. */
export interface Tab extends AsyncDisposable {
  readonly page: Page;
  /** The text of an element. */
  text(selector: string): Promise<string>;
  /** Waits until an expression of the page is true. */
  holds(what: string, expression: string): Promise<void>;
  /** Fails on whatever axe-core finds wrong. */
  isAccessible(): Promise<void>;
}

/** Opens a tab. */
export async function openTab(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Tab> {
  const context = await browser.newContext({
    viewport: { width: 1240, height: 1000 },
    locale: "en-US",
    ...options,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      complaints.push(message.text());
    }
  });
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("request", (request) => {
    const asked = request.url();
    const isOwn = asked.startsWith(url) || /^(data|blob):/.test(asked);
    if (!isOwn) complaints.push(`asks for ${asked}`);
  });
  await page.goto(url);
  // It looks by itself: to ask it each time costs more than the look.
  const holds = async (what: string, expression: string) => {
    const look = `new Promise((done) => {
      const look = () => (${expression}) ? done() : setTimeout(look, 20);
      look();
    })`;
    await within(what, page.evaluate(look));
  };
  return {
    page,
    holds,
    text: (selector) => page.locator(selector).innerText(),
    async isAccessible() {
      await page.evaluate(axe.source);
      const found = await page.evaluate("axe.run()") as {
        violations: { id: string; nodes: { html: string }[] }[];
      };
      const wrong = found.violations.map(({ id, nodes }) =>
        `${id}: ${nodes.map(({ html }) => html).join(" ")}`
      );
      assert.deepEqual(wrong, []);
    },
    async [Symbol.asyncDispose]() {
      await context.close();
      assert.deepEqual(complaints, []);
    },
  };
}
