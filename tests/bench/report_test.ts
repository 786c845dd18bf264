import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { missing } from "../helpers/tools.ts";
import { look, startBrowser } from "./browser.ts";

const BROWSER = "chromium";

/** What a page shows: lengths of the lines that can be seen, how wide it is, and its colours. */
const LOOK = `({
  width: document.documentElement.scrollWidth,
  screen: innerWidth,
  lines: [...document.querySelectorAll("path.line")]
    .filter((it) => it.getBoundingClientRect().width + it.getBoundingClientRect().height > 0)
    .map((it) => it.getTotalLength()),
  headings: [...document.querySelectorAll("h2")].map((it) => it.textContent),
  background: getComputedStyle(document.body).backgroundColor,
  text: document.body.innerText,
})`;

interface Looked {
  readonly width: number;
  readonly screen: number;
  readonly lines: number[];
  readonly headings: string[];
  readonly background: string;
  readonly text: string;
}

/** Kinds of load, how many lines their plots have, and a heading. */
const REPORTS:
  readonly (readonly [args: string[], lines: number, heading: RegExp])[] = [
    [["--ping", "--warmup", "0"], 2, /Latency.*Answers over time/],
    [["--stream", "--warmup", "0"], 1, /Throughput over time/],
    [["--hold", "5"], 1, /held/],
    [["--compare", "--lines", "5", "--delay", "3ms"], 2, /Lines/],
  ];

/** A line over time has two points at least: a slow machine measures for longer. */
async function measureLines(
  measure: (...more: string[]) => Promise<void>,
  file: string,
  lines: number,
): Promise<void> {
  for (let ms = 400; ms < 10_000; ms *= 2) {
    await measure("--duration", `${ms}ms`);
    const drawn = /class="line s\d+" d="([^"]*)"/g;
    const paths = [...(await Deno.readTextFile(file)).matchAll(drawn)];
    if (paths.filter(([, d]) => /[LH]/.test(d!)).length >= lines) return;
  }
}

test(
  "bench --report: pages have their plots, fit a narrow screen, and need nothing else",
  async () => {
    await using directory = temporaryDirectory();
    await using server = await startServer();
    await using browser = await startBrowser(BROWSER);
    for (const [args, lines, heading] of REPORTS) {
      const file = `${directory.path}/${args[0]!.slice(2)}.html`;
      const line = ["bench", "127.0.0.1", `${server.port}`, ...args];
      const measure = async (...more: string[]) => {
        const { code, stderr } = await runCommand(
          [...line, ...more, "--report", file],
        );
        assert.deepEqual([code, stderr], [0, ""]);
      };
      if (!args.includes("--warmup")) await measure();
      else await measureLines(measure, file, lines);
      const backgrounds = new Set<string>();
      for (const [width, dark] of [[320, false], [1200, true]] as const) {
        const seen = await look(browser, `file://${file}`, {
          width,
          dark,
          expression: LOOK,
        });
        const page = seen.value as Looked;
        assert.deepEqual(seen.complaints, []);
        assert.equal(page.screen, width);
        assert.ok(page.width <= width, `${args[0]}: ${page.width} of ${width}`);
        assert.equal(page.lines.length, lines, `${args[0]}, ${width} wide`);
        assert.ok(page.lines.every((length) => length > 10), `${page.lines}`);
        assert.match(page.headings.join(), heading);
        assert.doesNotMatch(page.text, /NaN|undefined|Infinity|null/);
        backgrounds.add(page.background);
      }
      assert.equal(backgrounds.size, 2, "light and dark differ");
    }
  },
  { ignore: missing("reports in a browser", BROWSER) },
);

test("bench --report: a file that cannot be written is said before anything is measured", async () => {
  await using server = await startServer();
  const args = ["bench", "127.0.0.1", `${server.port}`, "--ping", "--report"];
  const { code, stdout, stderr } = await runCommand([
    ...args,
    "/nowhere/a.html",
  ]);
  assert.match(
    stderr,
    /^error: Cannot write the report "\/nowhere\/a\.html": [^\n]*\(ENOENT\)[^\n]*\n$/,
  );
  assert.deepEqual([code, stdout], [1, ""]);
});
