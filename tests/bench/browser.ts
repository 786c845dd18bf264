/**
 * A real browser without a window.
 *
 * @module
 */
import { type Browser, chromium } from "playwright-core";
import { isInstalled, missing } from "../helpers/tools.ts";

/** The browsers that do. One that could have windows prepares one for each tab: four times the work. */
const BROWSERS = ["chromium-headless-shell", "chromium"] as const;
const BROWSER = BROWSERS.find(isInstalled) ?? BROWSERS[0];

/** What is skipped where there is no browser, which is said aloud. */
export function needsBrowser(what: string): { ignore: boolean } {
  return { ignore: missing(what, BROWSER) };
}

/** The look of a page. */
export interface Look {
  /** Errors on its console, exceptions, and requests for anything but itself. */
  readonly complaints: string[];
  /** The value of the expression. */
  readonly value: unknown;
}

/** How to look at a page. */
export interface LookOptions {
  /** Width of the screen, in CSS pixels. */
  readonly width: number;
  /** Whether the person likes it dark. */
  readonly dark: boolean;
  /** An expression to evaluate in the page. */
  readonly expression: string;
}

/** Starts a browser, which is ended at the end of the block. */
export async function startBrowser(): Promise<Browser> {
  const which = await new Deno.Command("sh", {
    args: ["-c", 'command -v "$1"', "sh", BROWSER],
  }).output();
  return await chromium.launch({
    executablePath: new TextDecoder().decode(which.stdout).trim(),
    chromiumSandbox: false,
    // A person's proxy is none of the test's, and nothing is looked at that a graphics processor would have drawn.
    args: ["--no-proxy-server", "--disable-gpu"],
  });
}

/**
 * Looks at a page of a file.
 *
 * @param browser In which browser.
 * @param url Its URL.
 * @param options How.
 * @returns What it looked like.
 */
export async function look(
  browser: Browser,
  url: string,
  { width, dark, expression }: LookOptions,
): Promise<Look> {
  const page = await browser.newPage({
    viewport: { width, height: 900 },
    colorScheme: dark ? "dark" : "light",
  });
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("request", (request) => {
    const asked = request.url();
    if (asked !== url && !asked.startsWith("data:")) {
      complaints.push(`asks for ${asked}`);
    }
  });
  await page.goto(url);
  const value = await page.evaluate(expression);
  await page.close();
  return { complaints, value };
}
