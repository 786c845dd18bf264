/** What moves on the stage: connections as tokens, messages as dots, and lines between those who talk. */
import { linksOf } from "./steps.js";
import { at, drawn, element, isStill, put } from "./text.js";

/** Steps after which a connection's token is nowhere. */
const OVER = ["reap", "exit", "again"];
/** Steps that the token itself takes. */
const CARRIED = ["accept", "hand", "fork"];

/** Tokens, dots and lines. All places are looked up before anything is moved: each look may cost a layout. */
export class Travel {
  #boxes;
  #layer = element("div", { class: "layer", "aria-hidden": "true" });
  #lines = drawn("svg", { class: "lines", "aria-hidden": "true" });
  #tokens = new Map();
  #messages = [];
  #duration;
  #jumps = false;

  /**
   * @param boxes Elements by their column and key.
   * @param duration How long a message is on its way, in milliseconds.
   */
  constructor(boxes, duration) {
    this.#boxes = boxes;
    this.#duration = duration;
  }

  /** What is to be put on the stage, below and above all others. */
  get layers() {
    return [this.#lines, this.#layer];
  }

  /** Whether tokens jump, and no dot is on its way: what moves smoothly takes a processor from a busy server. */
  jumps(jumps) {
    if (this.#jumps === jumps) return;
    this.#jumps = jumps;
    this.#layer.classList.toggle("jumps", jumps);
  }

  /** A step that carries no descriptor is to be a dot that goes from one to another. */
  message({ step, connection }) {
    if (CARRIED.includes(step.kind) || step.from === step.to) return;
    if (!this.#jumps && !isStill()) this.#messages.push({ step, connection });
  }

  /** Moves everything to where it is now. */
  draw(players) {
    const stage = at("stage").getBoundingClientRect();
    const place = (connection, lane) => this.#place(stage, connection, lane);
    const tokens = [], lines = [];
    for (const player of players) {
      const { connection, step } = player;
      if (!step || OVER.includes(step.kind)) continue;
      const to = place(connection, laneOfToken(step));
      if (!to) continue;
      const client = place(connection, "client");
      tokens.push({ player, from: client ?? to, to });
      if (!player.hasShown("took") || connection.isOver) continue;
      const child = place(connection, "child");
      if (client && child) lines.push([client, child]);
    }
    const messages = this.#messages.splice(0).flatMap(
      ({ step, connection }) => {
        const from = place(connection, step.from);
        const to = place(connection, step.to);
        return from && to ? [{ lane: step.from, from, to }] : [];
      },
    );
    this.#moveTokens(tokens);
    this.#lines.replaceChildren(...lines.map(lineOf));
    for (const message of messages) this.#send(message);
  }

  /** Where a lane's box is, in the stage. */
  #place(stage, { key, pid, handedTo, hasZygote, server }, lane) {
    const names = {
      client: `clientsc${key}`,
      parent: `parentsp${server.pid}`,
      zygote: `zygotesp${handedTo}`,
      child: `childrenp${pid || (hasZygote ? 0 : handedTo)}`,
    };
    const box = this.#boxes.get(names[lane]);
    if (!box?.isConnected) return null;
    const own = box.getBoundingClientRect();
    return {
      x: own.right - stage.left - 16,
      y: own.top - stage.top + 15,
      left: own.left - stage.left,
      right: own.right - stage.left,
      middle: own.top - stage.top + own.height / 2,
    };
  }

  #moveTokens(wanted) {
    const kept = new Set(wanted.map(({ player }) => player.connection.key));
    for (const [key, token] of this.#tokens) {
      if (kept.has(key)) continue;
      this.#tokens.delete(key);
      token.remove();
    }
    const made = wanted.filter(({ player: { connection } }) =>
      !this.#tokens.has(connection.key)
    );
    for (const { player: { connection }, from } of made) {
      const token = tokenOf(connection);
      token.style.transform = shift(from);
      this.#tokens.set(connection.key, token);
      this.#layer.append(token);
    }
    if (made.length > 0) this.#layer.getBoundingClientRect(); // they begin there
    for (const { player: { connection, step, isAtEnd }, to } of wanted) {
      const token = this.#tokens.get(connection.key);
      token.className = `token ${step.kind} ${isAtEnd ? "" : "travels"}`;
      put(token.lastElementChild, linksOf(step.kind).call);
      token.style.transform = shift(to);
    }
  }

  #send({ lane, from, to }) {
    const dot = element("span", { class: `dot ${lane}` });
    this.#layer.append(dot);
    const moves = [from, to].map((place) => ({ transform: shift(place) }));
    dot.animate(moves, { duration: this.#duration, easing: "ease-in-out" })
      .finished.then(() => dot.remove(), () => dot.remove());
  }
}

function tokenOf({ id }) {
  const name = element("b", {}, id === 0 ? "–" : `#${id}`);
  return element("span", { class: "token" }, name, element("code"));
}

function lineOf([from, to]) {
  const isAcross = to.left >= from.right;
  const [x1, x2] = isAcross
    ? [from.right, to.left]
    : [from.left + 10, to.left + 10];
  return drawn("line", { x1, y1: from.middle, x2, y2: to.middle });
}

function shift({ x, y }) {
  return `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}

/** Where the connection's token is when a step has been shown. */
function laneOfToken({ kind, from, to }) {
  if (["serve", "took", "close", "done", "half"].includes(kind)) return "child";
  return kind === "killed" ? from : to;
}
