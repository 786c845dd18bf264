/** The book's picture, measured. */
import assert from "node:assert/strict";
import { compare, type Run } from "../../src/bench/compare.ts";
import { startServer } from "../helpers/server.ts";
import { test } from "../helpers/testing.ts";
import { needsBrowser, startBrowser } from "../bench/browser.ts";
import { openTab, TestPage } from "./helpers.ts";

/** Each line crosses the link and comes back, and none sooner than the link lets it. */
function crosses({ packets }: Run, delay: number): void {
  for (const { sent, arrived, answered, received } of packets!) {
    assert.ok(arrived - sent >= delay, `${sent} ${arrived}`);
    assert.ok(answered >= arrived);
    assert.ok(received - answered >= delay, `${answered} ${received}`);
  }
}

test("compare: with a pace, it says when each line passed the ends of the link", async () => {
  await using server = await startServer();
  const [lines, delay, pace] = [4, 20, 3];
  const { split, lockStep } = await compare({
    target: { transport: "tcp", hostname: "127.0.0.1", port: server.port },
    ...{ lines, delay, pace, bandwidth: null, timeout: 60_000 },
  }, { show() {} });
  for (const run of [split, lockStep]) {
    assert.equal(run.packets!.length, lines);
    assert.equal(run.packets![0]!.sent, 0);
    crosses(run, delay);
  }
  for (const [i, { sent }] of lockStep.packets!.entries()) {
    const before = lockStep.packets![i - 1];
    if (before) assert.ok(sent >= before.received, "it has waited");
  }
});

test(
  "page: both clients are measured and drawn, and the page says what was found",
  async () => {
    await using server = await startServer();
    await using shown = await TestPage.of(server);
    await using browser = await startBrowser();
    await using tab = await openTab(browser, shown.url);
    const { page } = tab;
    await page.click("#tab-measure");
    await page.fill("#delay", "10");
    await page.fill("#lines", "4");
    await page.click("#run");
    await tab.holds(
      "both are drawn",
      `["lock-step", "split"].every((id) =>
      document.querySelectorAll(\`#\${id} .packet\`).length === 8)`,
    );
    assert.match(
      await tab.text("#verdict"),
      /^Measured: \d+(\.\d)? ms against/,
    );
    const rows = await page.evaluate(
      `[...document.querySelectorAll("#measured tbody tr")].map((row) =>
      [...row.querySelectorAll("td")].map((cell) => Number(cell.textContent)))`,
    ) as number[][];
    assert.equal(rows.length, 4);
    for (const times of rows) {
      assert.equal(times.length, 8);
      for (const at of [0, 4]) {
        const own = times.slice(at, at + 4);
        assert.deepEqual(own, own.toSorted((a, b) => a - b));
      }
    }
    await tab.isAccessible();
    await page.selectOption("#language", "ko");
    assert.match(await tab.text("#verdict"), /^잰 결과/);
  },
  needsBrowser("the page"),
);
