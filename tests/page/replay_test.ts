/** A connection again, slowly; and the page for everybody: Korean, dark, narrow, still. */
import assert from "node:assert/strict";
import { startServer } from "../helpers/server.ts";
import { connect, exchange } from "../helpers/wire_client.ts";
import { openTab, type Tab, testInBrowser, TestPage } from "./helpers.ts";

/** How many steps a connection of `spawn` has. */
const COUNT = 9;

async function visit(port: number): Promise<void> {
  using conn = await connect(port);
  await exchange(conn, new Uint8Array(5));
}

async function isShown(tab: Tab): Promise<void> {
  await tab.holds(
    "the server is shown",
    `document.querySelectorAll(".parents .box").length === 1`,
  );
}

async function hasSteps(tab: Tab): Promise<void> {
  await tab.holds(
    "the connection is shown to its end",
    `document.querySelectorAll("#steps button").length === ${COUNT}`,
  );
}

/** Which step is current, counted from 1. */
async function current(tab: Tab): Promise<number> {
  return await tab.page.evaluate(
    `[...document.querySelectorAll("#steps button")].findIndex((it) =>
      it.ariaCurrent === "step") + 1`,
  );
}

testInBrowser("page, replayed, and for everybody", {
  "a connection is replayed, paused, stepped through, and saved as SVG": async (
    browser,
  ) => {
    await using server = await startServer();
    await using shown = await TestPage.of(server);
    await using tab = await openTab(browser, shown.url);
    const { page } = tab;
    await isShown(tab);
    await visit(server.port);
    await hasSteps(tab);
    assert.equal(await current(tab), COUNT, "all of it is shown");

    await page.click("#back");
    await page.click("#back");
    assert.equal(await current(tab), COUNT - 2);
    await page.click("#forward");
    assert.equal(await current(tab), COUNT - 1);
    assert.equal(await page.isChecked("#follow"), false);
    await page.click("#steps li:first-child button");
    assert.equal(await current(tab), 1);
    await page.click("#back");
    assert.equal(await current(tab), 1, "there is nothing before");
    assert.match(await tab.text("#step"), /accept4\(2\)[^]*backlog/);
    assert.equal(
      await page.getAttribute("#step a:first-child", "href"),
      "https://man7.org/linux/man-pages/man2/accept.2.html",
    );
    const source = await page.getAttribute("#step a:last-child", "href");
    const code = await page.evaluate(
      `fetch(${JSON.stringify(source)}).then((it) => it.text())`,
    ) as string;
    assert.match(code, /class Acceptor/);

    // As slow as it goes, a step does not pass by itself while this looks twice; as fast as it was, all do.
    await page.selectOption("#speed", "10000");
    await page.click("#play");
    assert.equal(await page.innerText("#play"), "Pause");
    await tab.holds(
      "it goes on",
      `(() => {
    const now = document.querySelector("#clock").textContent;
    globalThis.clocks = (globalThis.clocks ?? new Set()).add(now);
    return globalThis.clocks.size > 2;
  })()`,
    );
    await page.click("#play");
    assert.equal(await page.innerText("#play"), "Replay");
    const paused = await tab.text("#clock");
    await page.evaluate(
      "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))",
    );
    assert.equal(await tab.text("#clock"), paused, "it stands still");
    await page.selectOption("#speed", "1");
    await page.click("#play");
    await tab.holds(
      "it is over",
      `document.querySelector("#play").textContent === "Replay"`,
    );
    assert.equal(await current(tab), COUNT);

    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.click("#save"),
    ]);
    assert.equal(download.suggestedFilename(), "mpserv-connection-1.svg");
    const svg = Deno.readTextFileSync(await download.path());
    assert.match(svg, /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    for (
      const word of ["client", "parent", "child", "accept4(2)", "_exit(2)"]
    ) {
      assert.ok(svg.includes(`>${word}<`), word);
    }
    assert.doesNotMatch(svg, /script|class=/);
  },

  "by the keyboard alone": async (browser) => {
    await using server = await startServer();
    await using shown = await TestPage.of(server);
    await using tab = await openTab(browser, shown.url);
    const { page } = tab;
    await isShown(tab);
    await visit(server.port);
    await hasSteps(tab);
    await page.focus("#tab-live");
    await page.keyboard.press("ArrowRight");
    assert.equal(await page.isVisible("#panel-measure"), true);
    assert.equal(await page.isVisible("#panel-live"), false);
    await page.keyboard.press("ArrowLeft");
    assert.equal(await page.isVisible("#panel-live"), true);
    await page.focus("#back");
    await page.keyboard.press("Enter");
    assert.equal(await current(tab), COUNT - 1);
    await page.focus("#list tbody button");
    await page.keyboard.press("Enter");
    await tab.isAccessible();
  },

  "Korean, dark, narrow and still, each without anything that axe-core finds wrong":
    async (browser) => {
      await using server = await startServer();
      await using shown = await TestPage.of(server);
      // English, light and wide is what all other tests look at: with it, every two of these meet.
      const looks = [
        { locale: "ko-KR", colorScheme: "dark", reducedMotion: "reduce" },
        {
          locale: "ko-KR",
          colorScheme: "light",
          viewport: { width: 360, height: 700 },
        },
        {
          locale: "en-US",
          colorScheme: "dark",
          viewport: { width: 360, height: 700 },
        },
      ] as const;
      await using stack = new AsyncDisposableStack();
      const tabs: Tab[] = [];
      for (const look of looks) {
        const tab = stack.use(await openTab(browser, shown.url, look));
        await isShown(tab);
        tabs.push(tab);
      }
      await visit(server.port);
      const backgrounds: string[] = [];
      for (const [i, tab] of tabs.entries()) {
        const { locale, colorScheme } = looks[i]!;
        await hasSteps(tab);
        const isKorean = locale === "ko-KR";
        assert.equal(
          await tab.page.getAttribute("html", "lang"),
          isKorean ? "ko" : "en",
        );
        assert.equal(
          await tab.text("#play"),
          isKorean ? "다시 보기" : "Replay",
        );
        assert.match(
          await tab.text("#steps"),
          isKorean ? /반쯤 닫기/ : /half-close/,
        );
        backgrounds.push(
          colorScheme + await tab.page.evaluate(
            "getComputedStyle(document.body).backgroundColor",
          ),
        );
        for (const name of ["measure", "live"]) {
          await tab.page.click(`#tab-${name}`);
          const wide = await tab.page.evaluate(
            "[document.documentElement.scrollWidth, innerWidth]",
          ) as [number, number];
          assert.ok(wide[0] <= wide[1], `${name}: ${wide}`);
          await tab.isAccessible();
        }
      }
      assert.equal(new Set(backgrounds).size, 2, backgrounds.join());
      const still = tabs[0]!;
      assert.equal(
        await still.page.evaluate("document.getAnimations().length"),
        0,
        "nothing moves",
      );
      // A person's choice counts more than the system's.
      const [tab] = tabs;
      await tab!.page.selectOption("#language", "en");
      assert.equal(await tab!.text("#play"), "Replay");
      const dark = await tab!.page.evaluate(
        "getComputedStyle(document.body).backgroundColor",
      );
      await tab!.page.selectOption("#theme", "light");
      const light = await tab!.page.evaluate(
        "getComputedStyle(document.body).backgroundColor",
      );
      assert.notEqual(dark, light);
      await tab!.isAccessible();
    },
});
