/**
 * The page as one document, of the parts in `web/`: it asks for nothing but what this program tells it. And the
 * files that it leads to, so that a step's code is one click away.
 *
 * @module
 */

/** Modules in the order in which each can use those before it. */
const SCRIPTS = [
  "words_en.js",
  "words_ko.js",
  "text.js",
  "steps.js",
  "state.js",
  "sequence.js",
  "replay.js",
  "boxes.js",
  "travel.js",
  "stage.js",
  "lists.js",
  "measure.js",
  "app.js",
] as const;

/** Styles; a later one overrides an earlier one. */
const STYLES = ["style.css", "stage.css", "diagrams.css"] as const;

/** All files of the page. */
export const PARTS: readonly string[] = ["page.html", ...STYLES, ...SCRIPTS];

/** The files that it leads to, as it names them (`web/steps.js`). */
export const SOURCES: readonly string[] = [
  "src/server/acceptor.ts",
  "src/server/connections.ts",
  "src/server/gate.ts",
  "src/posix/net/handover.ts",
  "src/posix/forking.ts",
  "src/zygote/zygote_role.ts",
  "src/wire/records.ts",
  "src/wire/tell.ts",
  "src/model/fork.ts",
  "src/model/workers.ts",
  "src/model/queue.ts",
  "src/child/connection.ts",
  "src/child/serve_one.ts",
  "src/service/echo.ts",
  "src/client/client.ts",
  "src/client/writer_role.ts",
  "src/client/lock_step.ts",
];

/**
 * Files that are in the same bundle as this module, by their names, in base64: an executable has no others
 * (`.release/bundles.ts`).
 */
export const EMBEDDED: Record<string, string> = {};

/** A document, and how it may behave. */
interface PageDocument {
  readonly html: Uint8Array<ArrayBuffer>;
  /** Its Content-Security-Policy: this style, this script, this origin, and nothing else. */
  readonly policy: string;
}

export async function readDocument(): Promise<PageDocument> {
  const read = (names: readonly string[]) =>
    Promise.all(
      names.map((name) =>
        readEmbedded(name, new URL(`web/${name}`, import.meta.url))
      ),
    );
  const [frame] = await read(["page.html"]);
  const style = (await read(STYLES)).join("");
  const modules = (await read(SCRIPTS)).map(joined).join("\n");
  const script = `"use strict";\n${modules}`;
  const html = fill(fill(frame!, "style", style), "script", script);
  const policy = [
    "default-src 'none'",
    `style-src '${await digest(style)}'`,
    `script-src '${await digest(script)}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
  return { html: new TextEncoder().encode(html), policy };
}

/** The text of one of them, `path` such as `/source/src/server/acceptor.ts`; null when it is none. */
export async function readSource(path: string | null): Promise<string | null> {
  const name = SOURCES.find((one) => path === `/source/${one}`);
  if (name === undefined) return null;
  return await readEmbedded(name, new URL(`../../${name}`, import.meta.url));
}

/** The text of a file, which in an executable is one of {@linkcode EMBEDDED}. */
async function readEmbedded(name: string, file: URL): Promise<string> {
  const embedded = EMBEDDED[name];
  return embedded === undefined
    ? await Deno.readTextFile(file)
    : new TextDecoder().decode(Uint8Array.fromBase64(embedded));
}

/** A module as a part of one script: what it imports stands before it, and what it exports is there. */
function joined(module: string): string {
  return module
    .replaceAll(/^import\s[^;]*?\sfrom\s"\.\/[\w.]+";\n/gm, "")
    .replaceAll(/^export (?=(const|let|function|async function|class) )/gm, "");
}

/** The text goes in as it is: its digest is what the policy allows. */
function fill(frame: string, element: string, text: string): string {
  const [before, after] = frame.split(`<${element}></${element}>`);
  if (after === undefined) throw new TypeError(`No place for ${element}`);
  return `${before}<${element}>${text}</${element}>${after}`;
}

async function digest(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return `sha256-${new Uint8Array(hash).toBase64()}`;
}
