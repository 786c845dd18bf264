import assert from "node:assert/strict";
import { runCommand } from "../helpers/command.ts";
import { startServer } from "../helpers/server.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { look, needsBrowser, startBrowser } from "./browser.ts";

/**
 * What a page shows: lengths of the lines that can be seen, how wide it is, and its colours. A line whose
 * measuring was too short for a second point is the dot at its end.
 */
const LOOK = `({
  width: document.documentElement.scrollWidth,
  screen: innerWidth,
  lines: [...document.querySelectorAll("path.line")]
    .filter((it) => it.nextElementSibling.matches("circle.end") && it.nextElementSibling.getBoundingClientRect().width > 0)
    .map((it) => /[LH]/.test(it.getAttribute("d")) ? it.getTotalLength() : null),
  headings: [...document.querySelectorAll("h2")].map((it) => it.textContent),
  background: getComputedStyle(document.body).backgroundColor,
  text: document.body.innerText,
})`;

interface Looked {
  readonly width: number;
  readonly screen: number;
  readonly lines: (number | null)[];
  readonly headings: string[];
  readonly background: string;
  readonly text: string;
}

const SHORT = ["--warmup", "0", "--duration", "2s"];

/** Kinds of load, how many lines their plots have, and a heading. */
const REPORTS:
  readonly (readonly [args: string[], lines: number, heading: RegExp])[] = [
    [["--ping", ...SHORT], 2, /Latency.*Answers over time/],
    [["--stream", ...SHORT], 1, /Throughput over time/],
    [["--hold", "5"], 1, /held/],
    [["--compare", "--lines", "5", "--delay", "3ms"], 2, /Lines/],
  ];

test(
  "bench --report: pages have their plots, fit a narrow screen, and need nothing else",
  async () => {
    await using directory = temporaryDirectory();
    await using server = await startServer({ model: "fork" }); // for many connections
    await using browser = await startBrowser();
    for (const [args, lines, heading] of REPORTS) {
      const file = `${directory.path}/${args[0]!.slice(2)}.html`;
      const { code, stderr } = await runCommand(
        ["bench", "127.0.0.1", `${server.port}`, ...args, "--report", file],
      );
      assert.deepEqual([code, stderr], [0, ""]);
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
        assert.ok(
          page.lines.every((it) => it === null || it > 10),
          `${page.lines}`,
        );
        assert.match(page.headings.join(), heading);
        assert.doesNotMatch(page.text, /NaN|undefined|Infinity|null/);
        backgrounds.add(page.background);
      }
      assert.equal(backgrounds.size, 2, "light and dark differ");
    }
  },
  needsBrowser("reports in a browser"),
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
