/** One connection again, as slowly as a person likes: play, pause, step, save. */
import { drawSequence, fileOf, rowsOf, titleOf } from "./sequence.js";
import { linksOf } from "./steps.js";
import {
  at,
  drawn,
  element,
  isStill,
  put,
  say,
  showMoment,
  showTime,
  stepWords,
} from "./text.js";

/** How much slower than it was. */
export const SPEEDS = [1, 10, 100, 1000, 10000];
/** A pause in which nothing happens is never drawn for longer than that, in milliseconds. */
const LONGEST = 2500;

/** The diagram, its controls and its words. */
export class Replay {
  connection = null;
  /** How many steps have been reached. */
  shown = 0;
  isPlaying = false;
  #last = 0;
  /** How far it is from the step that has been reached to the next, from 0 to 1. */
  #part = 0;
  #drawing = null;
  #drawnFor = "";
  #token = null;
  #changed = () => {};

  /** @param changed Is called when the person chose a step, so that nothing newer takes its place. */
  constructor(changed) {
    this.#changed = changed;
    at("speed").append(
      ...SPEEDS.map((slower) =>
        element(
          "option",
          { value: slower },
          slower === 1 ? "×1" : `×1/${slower.toLocaleString("en")}`,
        )
      ),
    );
    at("speed").value = "1000";
    at("play").addEventListener("click", () => this.#toggle());
    at("back").addEventListener("click", () => this.step(-1));
    at("forward").addEventListener("click", () => this.step(1));
    at("save").addEventListener("click", () => this.#save());
  }

  /** Shows a connection, all of it that there is. */
  show(connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    this.isPlaying = false;
    this.shown = connection.steps.length;
    this.#part = 0;
    this.draw();
  }

  /** One step forward or back. */
  step(by) {
    if (!this.connection) return;
    this.goTo(this.shown + by);
  }

  /** To a step, counted from 1. */
  goTo(shown) {
    this.isPlaying = false;
    this.#changed();
    this.shown = Math.max(1, Math.min(shown, this.connection.steps.length));
    this.#part = 0;
    this.draw();
  }

  /** There may be more steps than before: whoever was at the last one is at the last one again. */
  refresh() {
    const { connection } = this;
    if (!connection) return;
    const wasAtEnd = this.shown >= this.#drawing?.rows.length;
    if (wasAtEnd && !this.isPlaying) this.shown = connection.steps.length;
    this.draw();
  }

  /** Goes on while it plays. */
  tick(now) {
    const passed = Math.max(0, now - this.#last);
    this.#last = now;
    if (!this.isPlaying || !this.connection) return;
    const rows = this.#drawing.rows;
    const next = rows[this.shown];
    if (!next) {
      this.isPlaying = false;
      return this.draw();
    }
    const slower = Number(at("speed").value);
    const lasts = Math.min(LONGEST, next.gap * slower / 1000);
    this.#part += lasts > 0 ? passed / lasts : 1;
    if (this.#part >= 1) {
      this.shown++;
      this.#part = 0;
      this.draw();
    } else this.#clock();
  }

  /** Draws it as it is. */
  draw() {
    const { connection } = this;
    if (!connection) return this.#drawNothing();
    const width = Math.max(300, Math.floor(at("sequence").clientWidth));
    const state = [
      connection.key,
      connection.steps.length,
      this.shown,
      width,
      this.isPlaying,
      document.documentElement.lang,
      connection.pid,
    ].join();
    if (state !== this.#drawnFor) {
      this.#drawnFor = state;
      this.#drawing = drawSequence(connection, width, this.shown);
      this.#token = drawn("circle", { r: 8, class: "traveller" });
      this.#drawing.svg.append(this.#token);
      at("sequence").replaceChildren(this.#drawing.svg);
      this.#words();
    }
    this.#clock();
  }

  #drawNothing() {
    put(at("sequence-heading"), say("sequenceNone"));
    put(at("play"), say("play"));
    put(at("clock"), "");
  }

  #toggle() {
    if (!this.connection) return;
    this.#changed();
    this.isPlaying = !this.isPlaying;
    this.#last = performance.now(); // there may have been no frame for long
    if (this.isPlaying && this.shown >= this.connection.steps.length) {
      this.shown = 1;
      this.#part = 0;
    }
    this.draw();
  }

  /** What the current step is, and all of them as text. */
  #words() {
    const { id, peer, steps } = this.connection;
    put(
      at("sequence-heading"),
      say("sequenceHeading", { id: id === 0 ? "–" : id, peer }),
    );
    put(at("play"), say(this.isPlaying ? "pause" : "play"));
    const i = this.shown - 1;
    const step = steps[i];
    const { name, why } = stepWords(step.kind, step.values);
    const { call, manual, source } = linksOf(step.kind);
    const link = (href, text) =>
      element(
        "a",
        { href, target: "_blank", rel: "noopener noreferrer" },
        text,
      );
    at("step").replaceChildren(
      element(
        "p",
        { class: "soft" },
        say("stepOf", { number: i + 1, count: steps.length }),
      ),
      element("h3", {}, name, " ", element("code", {}, call)),
      element("p", {}, why),
      element(
        "p",
        { class: "links" },
        link(manual, `${say("manual")}: ${manualName(manual)}`),
        " ",
        link(`source/${source}`, `${say("source")}: ${source}`),
      ),
    );
    // Whoever steps hears the step; who follows the newest would hear all of them.
    at("step").ariaLive = at("follow").checked ? "off" : "polite";
    const rows = rowsOf(this.connection);
    at("steps").replaceChildren(...rows.map(({ step, since }, k) => {
      const time = step.isMeasured === false
        ? say("unmeasured")
        : showMoment(since);
      const button = element(
        "button",
        {
          class: `step-button ${step.kind}`,
          "aria-current": k === i ? "step" : null,
          "data-at": step.at,
        },
        element("span", {}, titleOf(step, k)),
        element("span", { class: "when" }, time),
      );
      button.addEventListener("click", () => this.goTo(k + 1));
      return element("li", {}, button);
    }));
  }

  /** The time of the moment, and the traveller's place. */
  #clock() {
    const { rows, x } = this.#drawing;
    const here = rows[this.shown - 1], next = rows[this.shown];
    const part = next ? this.#part : 0;
    const now = here.since + part * (next?.gap ?? 0);
    const slower = Number(at("speed").value);
    const isShortened = this.isPlaying && next &&
      next.gap * slower / 1000 > LONGEST;
    put(
      at("clock"),
      say("clock", { now: showTime(now), all: showTime(rows.at(-1).since) }) +
        (isShortened
          ? ` ${say("shortened", { gap: showTime(next.gap) })}`
          : ""),
    );
    const { step } = here;
    const from = x(step.from), to = x(step.to);
    // It crosses in the first half of the pause, and waits for the next step in the second.
    const crossed = this.isPlaying && !isStill() ? Math.min(1, 2 * part) : 1;
    const cx = from + (to - from) * crossed;
    const cy = here.y + (next && !isStill() ? part * (next.y - here.y) : 0);
    this.#token.setAttribute("cx", cx);
    this.#token.setAttribute("cy", cy);
  }

  #save() {
    if (!this.#drawing) return;
    const file = new Blob([fileOf(this.#drawing.svg)], {
      type: "image/svg+xml",
    });
    const href = URL.createObjectURL(file);
    const download = `mpserv-connection-${this.connection.id}.svg`;
    element("a", { href, download }).click();
    setTimeout(() => URL.revokeObjectURL(href), 1000);
  }
}

/** Such as `accept(2)`, of a page's address. */
function manualName(address) {
  const [, name, section] = /([^/]+)\.(\d)\.html$/.exec(address);
  return `${name}(${section})`;
}
