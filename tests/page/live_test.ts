/** The page shows what happens, as it happened. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { ask } from "../control/helpers.ts";
import { killNow } from "../helpers/processes.ts";
import { models, startServer } from "../helpers/server.ts";
import { until } from "../helpers/testing.ts";
import {
  connect,
  hold,
  receiveAll,
  roundTrip,
} from "../helpers/wire_client.ts";
import { openTab, type Tab, testInBrowser, TestPage } from "./helpers.ts";

/** Shows as many steps of the connection that is chosen as there are, and says their names and times. */
async function stepsOf(tab: Tab): Promise<{ name: string; at: number }[]> {
  return await tab.page.evaluate(`
    [...document.querySelectorAll("#steps button")].map((button) => ({
      name: button.firstElementChild.textContent.replaceAll(/^\\d+\\. | → \\d+$/g, ""),
      at: Number(button.dataset.at),
    }))`);
}

/** Of a connection that was served to its end, by model. */
const STEPS: Readonly<Record<string, readonly string[]>> = {
  fork: [
    ...["accept", "handover", "fork", "took", "read and write"],
    ...["close the copy", "half-close", "done", "exit", "reap"],
  ],
  spawn: [
    ...["accept", "handover", "took", "read and write"],
    ...["close the copy", "half-close", "done", "exit", "reap"],
  ],
  pool: [
    ...["accept", "handover", "took", "read and write"],
    ...["close the copy", "half-close", "done", "wait for the next"],
  ],
};

testInBrowser("page, live", {
  ...Object.fromEntries(
    models().map((
      model,
    ) => [
      `${model}: clients appear with the processes that the system shows, and their steps in the order of their times`,
      async (browser: Browser) => {
        await using server = await startServer({ model });
        await using shown = await TestPage.of(server);
        await using tab = await openTab(browser, shown.url);
        await tab.holds(
          "the server is shown",
          `document.querySelector(".parents .box b")?.textContent === "${server.pid}"`,
        );
        const conns: Deno.TcpConn[] = [];
        for (let i = 0; i < (model === "pool" ? 1 : 3); i++) {
          conns.push(await hold(server.port));
        }
        for (const conn of conns) {
          const pid = await server.processOf(conn);
          assert.ok(server.children().some((child) => child.pid === pid));
          const peer = `127.0.0.1:${conn.localAddr.port}`;
          await tab.holds(
            `${peer} is served by ${pid}`,
            `[...document.querySelectorAll(".children .busy .inside")].some((box) =>
          box.firstElementChild.textContent === "${pid}" &&
          box.textContent.includes("serves #")) &&
        [...document.querySelectorAll(".clients .box")].some((box) =>
          box.textContent.includes("${peer}")) &&
        [...document.querySelectorAll("#list tbody tr")].some((row) =>
          row.textContent.includes("${peer}${pid}served"))`,
          );
        }
        const [first] = conns;
        await tab.page.click("#list tbody tr:last-child button");
        await first!.closeWrite();
        await receiveAll(first!);
        for (const conn of conns) conn.close();
        await tab.holds(
          "it has ended",
          `document.querySelectorAll("#steps button").length === ${
            STEPS[model]!.length
          }`,
        );
        const steps = await stepsOf(tab);
        const sorted = (names: readonly string[]) => [...names].sort();
        assert.deepEqual(
          sorted(steps.map(({ name }) => name)),
          sorted(STEPS[model]!),
        );
        // The parent may hear of it later than the client ends its side: all others have one order.
        const isOrdered = (names: readonly string[]) =>
          names.filter((name) => name !== "close the copy");
        assert.deepEqual(
          isOrdered(steps.map(({ name }) => name)),
          isOrdered(STEPS[model]!),
        );
        const times = steps.map(({ at }) => at);
        assert.deepEqual(times, times.toSorted((a, b) => a - b));
        // What is drawn is the same in all but for its words.
        if (model === "fork") await tab.isAccessible();
        assert.deepEqual(server.log.others, []);
      },
    ]),
  ),
  "a connection whose process is killed before it took it comes back, and one that is killed later says so":
    async (browser) => {
      await using server = await startServer({ model: "spawn", crew: "usual" });
      (await hold(server.port)).close();
      await server.log.waitFor("client disconnected...");
      const idle = await server.waiting();
      await using shown = await TestPage.of(server);
      await using tab = await openTab(browser, shown.url);
      await tab.holds(
        "the server is shown",
        `document.querySelectorAll(".parents .box").length === 1`,
      );
      for (const pid of idle) Deno.kill(pid, "SIGSTOP");
      using conn = await connect(server.port);
      await tab.holds(
        "it is on its way",
        `document.querySelectorAll("#list tbody tr").length === 1 &&
      document.querySelector("#list tbody").textContent.includes("on its way")`,
      );
      for (const pid of idle) killNow(pid);
      assert.equal(await roundTrip(conn), "hello");
      await tab.holds(
        "it came back and was taken",
        `["comes back", "took"].every((name) =>
      document.querySelector("#steps").textContent.includes(name))`,
      );
      assert.match(await tab.text("#log"), /connection 2 came back/);
      killNow(await server.processOf(conn));
      await tab.holds(
        "it was killed",
        `document.querySelector("#steps").textContent.includes("killed")`,
      );
      assert.match(
        await tab.text("#log"),
        /connection 2 ended: killed: SIGKILL/,
      );
      await tab.isAccessible();
    },

  "what names and errors contain is text": async (browser) => {
    await using server = await startServer({
      model: "spawn",
      args: [
        "--handler",
        fileURLToPath(new URL("handlers/script.ts", import.meta.url)),
      ],
    });
    await using shown = await TestPage.of(server);
    await using tab = await openTab(browser, shown.url);
    await tab.holds(
      "the server is shown",
      `document.querySelectorAll(".parents .box").length === 1`,
    );
    const conn = await connect(server.port);
    await receiveAll(conn).catch(() => {}); // it may be reset
    conn.close();
    await tab.holds(
      "its error is shown",
      `document.querySelector("#log").textContent.includes("<script>alert(1)</script><img src=x onerror=alert(2)>")`,
    );
    assert.equal(
      await tab.page.evaluate(
        "document.querySelectorAll('script, img').length",
      ),
      1,
      "its own script alone",
    );
  },

  "a refusal, a take-over, a drain and the end of a server are drawn": async (
    browser,
  ) => {
    const args = ["--max-connections", "1", "--overload", "refuse"];
    await using server = await startServer({ args });
    await using shown = await TestPage.of(server);
    await using tab = await openTab(browser, shown.url);
    await tab.holds(
      "the server is shown",
      `document.querySelectorAll(".parents .box").length === 1`,
    );
    using held = await hold(server.port);
    await server.processOf(held);
    const refused = await connect(server.port);
    await receiveAll(refused).catch(() => {});
    refused.close();
    await tab.holds(
      "it is refused",
      `document.querySelector("#list").textContent.includes("refused: max-connections") &&
      document.querySelector("#log").textContent.includes("refused: max-connections")`,
    );
    await using next = await startServer({
      port: String(server.port),
      args: ["--take-over"],
    });
    await tab.holds(
      "both are shown, and one drains",
      `document.querySelectorAll(".parents .box").length === 2 &&
      document.querySelectorAll(".parents .box.drains").length === 1 &&
      document.querySelector("#log").textContent.includes("another server has taken over")`,
    );
    assert.equal(await roundTrip(held), "hello", "it is served to its end");
    held.close();
    await server.exit();
    await tab.holds(
      "the first has gone",
      `[...document.querySelectorAll(".parents .box b")].map((it) => it.textContent).join() === "${next.pid}"`,
    );
    const { url } = shown;
    assert.ok(url.startsWith("http://127.0.0.1:"));
    await next.stop();
    await until(
      "the page says that nobody is there",
      async () => /has ended/.test(await tab.text("#server")),
    );
  },

  ...Deno.build.os !== "linux" ? {} : {
    "who waits in the backlog of a full server is counted by the parent's box":
      async (browser: Browser) => {
        const args = ["--max-connections", "1"];
        await using server = await startServer({ args });
        await using shown = await TestPage.of(server);
        await using tab = await openTab(browser, shown.url);
        const counts = (count: number) =>
          tab.holds(
            `${count} wait`,
            `document.querySelector(".parents .box")?.textContent.includes("backlog: ${count} waiting") === true`,
          );
        await counts(0);
        const held = await hold(server.port);
        await server.processOf(held);
        using waits = await connect(server.port);
        await counts(1);
        held.close();
        assert.equal(await roundTrip(waits), "hello");
        await counts(0);
      },
  },
  "one tab too many says that the server tells no more who follow it": async (
    browser,
  ) => {
    await using server = await startServer();
    await using shown = await TestPage.of(server);
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => ask(server)),
    );
    for (const client of clients) await client.ask({ command: "events" });
    await using tab = await openTab(browser, shown.url);
    await tab.holds(
      "it says why it shows no events",
      `document.querySelector("#log").textContent.includes("8 clients follow")`,
    );
    for (const client of clients) client[Symbol.dispose]();
    await tab.holds(
      "it follows now",
      `document.querySelector("#log").textContent.includes("server ${server.pid} is shown")`,
    );
  },
});
