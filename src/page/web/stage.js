/** The processes, and connections as tokens that travel between them, slowly enough to be followed. */
import { childBoxes, parentBox, Player } from "./boxes.js";
import { linksOf } from "./steps.js";
import { at, drawn, element, isStill, put, say, stepWords } from "./text.js";

/** How long each step is shown, in milliseconds. */
const STEP_TIME = 550;
/** How many travel at a time; others are drawn where they have arrived. */
const MOST_TRAVELLERS = 6;
/** Boxes of a column. */
const MOST_BOXES = { clients: 12, parents: 3, zygotes: 8, children: 20 };
const COLUMNS = ["clients", "parents", "zygotes", "children"];
const HEADINGS = {
  clients: "clients",
  parents: "parent",
  zygotes: "zygotes",
  children: "children",
};

/** Draws it all. */
export class Stage {
  /** How many connections were not shown step by step. */
  undrawn = 0;
  #world;
  #select;
  #players = new Map();
  #finished = new WeakSet();
  #columns = {};
  #boxes = new Map();
  #tokens = new Map();
  #layer = element("div", { class: "layer", "aria-hidden": "true" });
  #lines = drawn("svg", { class: "lines", "aria-hidden": "true" });
  #seen = -1;
  #isDirty = true;
  #isFirst = true;

  /** @param select Is called with the connection that a person chose. */
  constructor(world, select) {
    this.#world = world;
    this.#select = select;
    for (const name of COLUMNS) {
      const heading = element("h3", {});
      const list = element("ul", { class: "boxes" });
      const more = element("p", { class: "more" });
      const column = element(
        "div",
        { class: `column ${name}` },
        heading,
        list,
        more,
      );
      this.#columns[name] = { column, heading, list, more };
    }
    const columns = COLUMNS.map((name) => this.#columns[name].column);
    at("stage").append(this.#lines, ...columns, this.#layer);
    new ResizeObserver(() => this.#isDirty = true).observe(at("stage"));
  }

  /** Draws everything again, as after a change of language. */
  redraw() {
    this.#isDirty = true;
  }

  /** Goes on; at most once a frame. */
  tick(now) {
    if (this.#seen !== this.#world.version) {
      this.#seen = this.#world.version;
      this.#meet(now);
      this.#isDirty = true;
    }
    for (const [key, player] of this.#players) this.#advance(key, player, now);
    if (!this.#isDirty) return;
    this.#isDirty = false;
    this.#draw(now);
  }

  /** New connections travel, as far as that can be followed. */
  #meet(now) {
    let travelling = 0;
    for (const player of this.#players.values()) {
      if (!player.isAtEnd) travelling++;
      if (!this.#world.connections.has(player.connection.key)) {
        this.#players.delete(player.connection.key);
      }
    }
    for (const [key, connection] of this.#world.connections) {
      if (this.#players.has(key) || this.#finished.has(connection)) continue;
      const travels = !this.#isFirst && travelling < MOST_TRAVELLERS;
      if (travels) travelling++;
      else if (!this.#isFirst) this.undrawn++;
      if (!travels && connection.isGone) this.#finished.add(connection);
      else {
        const shown = travels ? 0 : connection.steps.length;
        this.#players.set(key, new Player(connection, shown, now - STEP_TIME));
      }
    }
    if (this.#world.current) this.#isFirst = false;
  }

  #advance(key, player, now) {
    const { connection } = player;
    if (now - player.since < STEP_TIME) return;
    if (!player.isAtEnd) {
      player.shown++;
      player.since = now;
      this.#isDirty = true;
      this.#message(player);
    } else if (connection.isGone && now - player.since > 2 * STEP_TIME) {
      this.#finished.add(connection);
      this.#players.delete(key);
      this.#isDirty = true;
    }
  }

  /** Steps that carry no descriptor are a dot that goes from one to another. */
  #message({ step, connection }) {
    if (["accept", "hand", "fork"].includes(step.kind) || isStill()) return;
    if (step.from === step.to) return;
    const from = this.#place(connection, step.from);
    const to = this.#place(connection, step.to);
    if (!from || !to) return;
    const dot = element("span", { class: `dot ${step.from}` });
    this.#layer.append(dot);
    const moves = [from, to].map(({ x, y }) => ({
      transform: `translate(${x}px, ${y}px)`,
    }));
    dot.animate(moves, { duration: STEP_TIME, easing: "ease-in-out" })
      .finished.then(() => dot.remove(), () => dot.remove());
  }

  #draw() {
    const world = this.#world;
    const players = [...this.#players.values()];
    const boxes = { clients: [], parents: [], zygotes: [], children: [] };
    for (const server of world.servers.values()) {
      boxes.parents.push(parentBox(server, players));
      for (const process of server.processes) {
        if (process.role !== "zygote") continue;
        boxes.zygotes.push({
          key: `p${process.pid}`,
          lines: [String(process.pid), say(`states.${process.state}`)],
          kind: "zygote",
        });
      }
    }
    boxes.children.push(...childBoxes(world, players));
    for (const { connection, shown } of players) {
      const { key, id, peer } = connection;
      if (shown === 0) continue;
      const name = id === 0 ? say("client") : `#${id}`;
      boxes.clients.push({
        key: `c${key}`,
        lines: [name, peer],
        kind: "client",
        connection,
      });
    }
    for (const name of COLUMNS) this.#fill(name, boxes[name].reverse());
    this.#columns.zygotes.column.hidden = boxes.zygotes.length === 0;
    at("stage").classList.toggle("with-zygotes", boxes.zygotes.length > 0);
    this.#moveTokens(players);
    this.#note();
  }

  /** Boxes keep their elements, so that nothing jumps. */
  #fill(name, wanted) {
    const { heading, list, more } = this.#columns[name];
    put(heading, say(HEADINGS[name]));
    const shown = wanted.slice(0, MOST_BOXES[name]);
    const keys = new Set(shown.map(({ key }) => name + key));
    for (const item of [...list.children]) {
      if (keys.has(item.dataset.key)) continue;
      this.#boxes.delete(item.dataset.key);
      item.remove();
    }
    for (const { key, lines, kind, connection } of shown) {
      const full = name + key;
      let item = this.#boxes.get(full);
      if (!item) {
        item = element("li", { "data-key": full });
        this.#boxes.set(full, item);
        list.append(item);
      }
      item.className = `box ${kind}`;
      this.#lines_(item, lines, connection);
    }
    const left = wanted.length - shown.length;
    put(
      more,
      left > 0
        ? say("more", { count: left })
        : wanted.length === 0
        ? say("nobody")
        : "",
    );
  }

  #lines_(item, lines, connection) {
    let inside = item.firstElementChild;
    const tag = connection ? "BUTTON" : "DIV";
    if (inside?.tagName !== tag) {
      inside = element(tag.toLowerCase(), { class: "inside" });
      inside.addEventListener("click", () => {
        if (item.connection) this.#select(item.connection);
      });
      item.replaceChildren(inside);
    }
    item.connection = connection;
    while (inside.childElementCount < lines.length) {
      inside.append(element(inside.childElementCount === 0 ? "b" : "span"));
    }
    while (inside.childElementCount > lines.length) {
      inside.lastElementChild.remove();
    }
    lines.forEach((line, i) => put(inside.children[i], line));
  }

  /** The middle of a lane's box, in the stage. */
  #place({ key, pid, handedTo, hasZygote, server }, lane) {
    const names = {
      client: `clientsc${key}`,
      parent: `parentsp${server.pid}`,
      zygote: `zygotesp${handedTo}`,
      child: `childrenp${pid || (hasZygote ? 0 : handedTo)}`,
    };
    const box = this.#boxes.get(names[lane]);
    if (!box?.isConnected) return null;
    const own = box.getBoundingClientRect();
    const all = at("stage").getBoundingClientRect();
    return {
      x: own.left - all.left + own.width - 16,
      y: own.top - all.top + 15,
      left: own.left - all.left,
      right: own.right - all.left,
      middle: own.top - all.top + own.height / 2,
    };
  }

  #moveTokens(players) {
    const kept = new Set();
    const lines = [];
    for (const player of players) {
      const { connection, step } = player;
      if (!step || ["reap", "exit", "again"].includes(step.kind)) continue;
      const place = this.#place(connection, laneOfToken(step));
      if (!place) continue;
      kept.add(connection.key);
      this.#token(connection, player, place);
      if (player.hasShown("took") && !connection.isOver) {
        const client = this.#place(connection, "client");
        const child = this.#place(connection, "child");
        if (client && child) lines.push([client, child]);
      }
    }
    for (const [key, token] of this.#tokens) {
      if (kept.has(key)) continue;
      this.#tokens.delete(key);
      token.remove();
    }
    this.#lines.replaceChildren(...lines.map(([from, to]) => {
      const isAcross = to.left >= from.right;
      const [x1, x2] = isAcross
        ? [from.right, to.left]
        : [from.left + 10, to.left + 10];
      const ends = { x1, y1: from.middle, x2, y2: to.middle };
      return drawn("line", ends);
    }));
  }

  #token(connection, { step, isAtEnd }, { x, y }) {
    let token = this.#tokens.get(connection.key);
    if (!token) {
      const name = connection.id === 0 ? "–" : `#${connection.id}`;
      token = element(
        "span",
        { class: "token" },
        element("b", {}, name),
        element("code"),
      );
      const start = this.#place(connection, "client");
      if (start) token.style.transform = shift(start);
      this.#tokens.set(connection.key, token);
      this.#layer.append(token);
      token.getBoundingClientRect(); // it begins there
    }
    token.className = `token ${step.kind} ${isAtEnd ? "" : "travels"}`;
    put(token.lastElementChild, linksOf(step.kind).call);
    token.style.transform = shift({ x, y });
  }

  /** What the connection that moved last does, in a sentence. */
  #sayNow() {
    let last = null;
    for (const player of this.#players.values()) {
      if (player.step && (!last || player.since >= last.since)) last = player;
    }
    if (!last) return put(at("stage-now"), "");
    const { connection: { id }, step: { kind, values } } = last;
    const { name, why } = stepWords(kind, values);
    const number = id === 0 ? "" : `#${id} `;
    at("stage-now").replaceChildren(
      element("b", {}, `${number}${name} `),
      element("code", {}, linksOf(kind).call),
      ` ${why}`,
    );
  }

  #note() {
    const { skipped } = this.#world;
    this.#sayNow();
    const notes = [];
    if (this.undrawn > 0) {
      notes.push(say("fast", { count: this.undrawn.toLocaleString("en") }));
    }
    if (skipped > 0) {
      notes.push(say("skipped", { count: skipped.toLocaleString("en") }));
    }
    put(at("stage-note"), notes.join(" ") || say("slowly"));
  }
}

function shift({ x, y }) {
  return `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}

/** Where the connection's token is when a step has been shown. */
function laneOfToken({ kind, from, to }) {
  if (kind === "serve" || kind === "took" || kind === "close") return "child";
  if (kind === "done" || kind === "half") return "child";
  return kind === "killed" ? from : to;
}
