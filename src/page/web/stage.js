/** The processes, and connections as tokens that travel between them, slowly enough to be followed. */
import { childBoxes, parentBox, Player } from "./boxes.js";
import { linksOf } from "./steps.js";
import { at, element, put, say, stepWords } from "./text.js";
import { Travel } from "./travel.js";

/** How long each step is shown, in milliseconds. */
const STEP_TIME = 550;
/** How often it is drawn at most, in milliseconds: what moves, moves by itself. */
const PAUSE = 40;
/** The same while more happens than can be shown: a page must not take the processor from the server. */
const FLOOD_PAUSE = 250;
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
  /** How many connections there were before, or were shown step by step. */
  #drawn = 0;
  #world;
  #select;
  #players = new Map();
  #finished = new WeakSet();
  #columns = {};
  #boxes = new Map();
  #travel = new Travel(this.#boxes, STEP_TIME);
  #seen = -1;
  #isDirty = true;
  #drawnAt = 0;
  #said = "";
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
    const [below, above] = this.#travel.layers;
    at("stage").append(below, ...columns, above);
    new ResizeObserver(() => this.#isDirty = true).observe(at("stage"));
  }

  /** Draws everything again, as after a change of language. */
  redraw() {
    this.#isDirty = true;
  }

  /** Whether something is to be drawn, now or at a later step. */
  get moves() {
    return this.#isDirty || this.#seen !== this.#world.version ||
      [...this.#players.values()].some(({ isAtEnd, connection }) =>
        !isAtEnd || connection.isGone
      );
  }

  /** Goes on; at most once a frame. */
  tick(now) {
    if (this.#seen !== this.#world.version) {
      this.#seen = this.#world.version;
      this.#meet(now);
      this.#isDirty = true;
    }
    const isFlooded = this.#world.isFlooded(now);
    this.#travel.jumps(isFlooded);
    for (const [key, player] of this.#players) this.#advance(key, player, now);
    const pause = isFlooded ? FLOOD_PAUSE : PAUSE;
    if (!this.#isDirty || now - this.#drawnAt < pause) return;
    this.#isDirty = false;
    this.#drawnAt = now;
    this.#draw();
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
      if (travels || this.#isFirst) this.#drawn++;
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
      this.#travel.message(player);
    } else if (connection.isGone && now - player.since > 2 * STEP_TIME) {
      this.#finished.add(connection);
      this.#players.delete(key);
      this.#isDirty = true;
    }
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
    this.#travel.draw(players);
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

  /** What the connection that moved last does, in a sentence. */
  #sayNow() {
    let last = null;
    for (const player of this.#players.values()) {
      if (player.step && (!last || player.since >= last.since)) last = player;
    }
    if (!last) return;
    const { connection: { id }, step: { kind, values } } = last;
    const { name, why } = stepWords(kind, values);
    const number = id === 0 ? "" : `#${id} `;
    const said = `${number}${name}${why}`;
    if (said === this.#said) return;
    this.#said = said;
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
    const undrawn = this.#world.met - this.#drawn;
    if (undrawn > 0) {
      notes.push(say("fast", { count: undrawn.toLocaleString("en") }));
    }
    if (skipped > 0) {
      notes.push(say("skipped", { count: skipped.toLocaleString("en") }));
    }
    put(at("stage-note"), notes.join(" ") || say("slowly"));
  }
}
