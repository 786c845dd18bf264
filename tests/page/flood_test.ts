/** More happens than a page can draw: it goes on, stays small, and says what it left out. */
import assert from "node:assert/strict";
import type { ServerEvent } from "../../src/control/event_lines.ts";
import { temporaryDirectory, test } from "../helpers/testing.ts";
import { needsBrowser, startBrowser } from "../bench/browser.ts";
import { openTab, TestPage } from "./helpers.ts";

/** A server of one user, played: it serves a number of connections in one second, as its events say. */
class PlayedServer implements AsyncDisposable {
  /** How many connections a second its follower asked for. */
  perSecond: unknown;
  readonly #listener: Deno.UnixListener;
  readonly #served: Promise<void>;
  readonly #conns = new Set<Deno.Conn>();
  readonly #followers = new Set<Deno.Conn>();

  constructor(path: string) {
    this.#listener = Deno.listen({ transport: "unix", path });
    this.#served = this.#serve();
  }

  /** So many connections, and one event that says that some were left out. */
  async happen(connections: number, skipped: number): Promise<void> {
    const SLICES = 20;
    let id = 0;
    for (let slice = 0; slice < SLICES; slice++) {
      const events: ServerEvent[] = [];
      for (let i = 0; i < connections / SLICES; i++) {
        events.push(...wayOf(++id));
      }
      if (slice === SLICES - 1) {
        events.push({ event: "skipped", at: 1e6, count: skipped });
      }
      const lines = events.map((event) => JSON.stringify(event) + "\n").join(
        "",
      );
      for (const conn of this.#followers) await write(conn, lines);
      await new Promise((resolve) => setTimeout(resolve, 1000 / SLICES));
    }
  }

  async #serve(): Promise<void> {
    const answering: Promise<void>[] = [];
    for await (const conn of this.#listener) {
      this.#conns.add(conn);
      answering.push(this.#answer(conn).catch(() => {}));
    }
    await Promise.all(answering);
  }

  async #answer(conn: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(4096);
    for (let count; (count = await conn.read(buffer)) !== null;) {
      const text = new TextDecoder().decode(buffer.subarray(0, count));
      const { command, perSecond } = JSON.parse(text);
      await write(
        conn,
        JSON.stringify({ ok: true, ...ANSWERS[command] }) + "\n",
      );
      if (command !== "events") continue;
      this.perSecond = perSecond;
      this.#followers.add(conn);
    }
    this.#conns.delete(conn);
    conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) {
      try {
        conn.close();
      } catch {
        // It has just been closed.
      }
    }
    await this.#served;
  }
}

async function write(conn: Deno.Conn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) {
    sent += await conn.write(bytes.subarray(sent));
  }
}

const PID = 1000;
const ANSWERS: Record<string, object> = {
  events: { pid: PID, at: 0, time: 0 },
  processes: {
    processes: [
      { pid: 1001, parent: PID, role: "zygote", state: "ready", connection: 0 },
    ],
  },
  connections: { connections: [] },
  status: {
    ...{ pid: PID, version: "0", state: "serving", address: "127.0.0.1:1" },
    listener: { transport: "tcp", hostname: "127.0.0.1", port: 1 },
    ...{ uptime: 1, model: "fork", why: null, waiting: 0, zygotes: 1 },
    totals: { accepted: 0, served: 0, active: 0, ended: {}, refused: {} },
    children: {},
  },
};

/** All that happens to one connection. */
function wayOf(id: number): ServerEvent[] {
  const pid = 2000 + id, start = 500 * id;
  const [at, heard] = [start + 500, start + 510];
  return [
    { event: "accepted", at: start, id, peer: `192.0.2.1:${id}` },
    { event: "handed", at: start + 50, id, pid: 1001 },
    { event: "forked", at: start + 100, id, pid },
    { event: "took", at: start + 200, heard: start + 210, id, pid },
    { event: "half-closed", at: start + 400, id, pid },
    {
      event: "done",
      at,
      heard,
      id,
      pid,
      in: 5,
      out: 5,
      reason: "closed",
      text: "",
    },
    {
      event: "reaped",
      at: start + 600,
      pid,
      role: "connection",
      code: 0,
      signal: null,
    },
  ];
}

/** What the page draws while it is watched. */
interface Watched {
  /** How many frames. */
  count: number;
  /** The most elements that there were. */
  elements: number;
  /** The most that one frame changed. */
  changes: number;
}

const WATCH = `
globalThis.watched = { count: 0, elements: 0, changes: 0 };
let changes = 0;
new MutationObserver((records) => changes += records.length).observe(document, {
  subtree: true, childList: true, characterData: true, attributes: true,
});
(function frame() {
  watched.count++;
  watched.elements = Math.max(watched.elements, document.querySelectorAll("*").length);
  watched.changes = Math.max(watched.changes, changes);
  changes = 0;
  requestAnimationFrame(frame);
})()`;

test(
  "page: 2,000 connections in a second do not freeze it, and it says what it left out",
  async () => {
    await using directory = temporaryDirectory();
    const path = `${directory.path}/played.sock`;
    await using server = new PlayedServer(path);
    await using shown = await TestPage.of(path);
    await using browser = await startBrowser();
    await using tab = await openTab(browser, shown.url);
    await tab.holds(
      "the server is shown",
      `document.querySelectorAll(".parents .box").length === 1`,
    );
    await tab.page.evaluate(WATCH);
    await server.happen(2000, 123);
    await tab.holds(
      "the last one is listed",
      `document.querySelector("#list tbody").textContent.includes("192.0.2.1:2000")`,
    );
    await tab.holds(
      "it says what it left out",
      `/[\\d,]+ connections went by too fast/.test(document.querySelector("#stage-note").textContent) &&
      document.querySelector("#stage-note").textContent.includes("123 events were skipped")`,
    );
    const { count, elements, changes } = await tab.page.evaluate(
      "watched",
    ) as Watched;
    assert.equal(server.perSecond, 200);
    // No clock: a slow machine draws fewer frames, and each changes as little as on a fast one.
    assert.ok(count > 10, `${count} frames`);
    assert.ok(elements < 1000, `${elements} elements`);
    assert.ok(changes < 1000, `${changes} changes of one frame`);
    // It is as alive as before.
    await tab.page.click("#list tbody tr:nth-child(3) button");
    await tab.holds(
      "another one is shown",
      `document.querySelectorAll("#steps button").length === 10`,
    );
  },
  needsBrowser("the page"),
);
