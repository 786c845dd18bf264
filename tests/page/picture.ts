/**
 * `deno task picture`: the picture of the page in README.md, `.github/page.png`, from a real run.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { startServer } from "../helpers/server.ts";
import {
  connect,
  hold,
  receiveAll,
  roundTrip,
} from "../helpers/wire_client.ts";
import { startBrowser } from "../bench/browser.ts";
import { openTab, TestPage } from "./helpers.ts";

const FILE = fileURLToPath(new URL("../../.github/page.png", import.meta.url));

await using server = await startServer({
  model: "fork",
  args: ["--zygotes", "2"],
});
await using shown = await TestPage.of(server);
await using browser = await startBrowser();
await using tab = await openTab(browser, shown.url, {
  viewport: { width: 1040, height: 840 },
});
await tab.holds(
  "the zygotes are shown",
  `document.querySelectorAll(".zygotes .box").length > 1`,
);
const first = await connect(server.port);
await roundTrip(first);
using _second = await hold(server.port);
await tab.holds(
  "two are served",
  `document.querySelectorAll(".children .busy").length === 2 &&
    document.querySelectorAll(".token.travels").length === 0`,
);
await first.closeWrite();
await receiveAll(first);
first.close();
await tab.page.click("#list tbody tr:last-child button");
await tab.holds(
  "the first has ended",
  `document.querySelectorAll("#steps button").length === 10`,
);
using _third = await connect(server.port);
await tab.page.click("#steps li:nth-child(5) button");
await tab.holds(
  "the third is on its way",
  `document.querySelectorAll(".token.hand.travels").length === 1`,
);
await tab.page.evaluate("scrollTo(0, 0)");
await tab.page.waitForTimeout(300); // its token moves
await tab.page.screenshot({ path: FILE });
