/** The second tab: both clients through the same slow link, drawn as they were. */
import { at, drawn, element, put, say } from "./text.js";

const CLIENTS = { "lock-step": "lockStep", split: "split" };
const WIDTH = 420, SIDE = 70, HEAD = 44, MOST_HEIGHT = 620;

/** Asks for a measurement and draws it. */
export class Measure {
  #found = null;
  #trouble = "";
  #isRunning = false;

  constructor() {
    at("delay").addEventListener("input", () => this.#showDelay());
    at("measure").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#run();
    });
  }

  /** Draws what was found, in the language of the moment. */
  draw() {
    this.#showDelay();
    for (const id of Object.keys(CLIENTS)) this.#drawOne(id);
    this.#drawTable();
    if (this.#trouble) {
      put(at("verdict"), say("failed", { error: this.#trouble }));
    } else if (this.#found) put(at("verdict"), verdictOf(this.#found));
    else put(at("verdict"), "");
  }

  #showDelay() {
    put(at("delay-shown"), say("milliseconds", { number: at("delay").value }));
  }

  async #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    at("run").disabled = true;
    this.#trouble = "";
    try {
      const delay = Number(at("delay").value),
        lines = Number(at("lines").value);
      const response = await fetch("measure", {
        method: "POST",
        body: JSON.stringify({ delay, lines }),
      });
      if (!response.ok) throw new Error(`${response.status}`);
      await this.#read(response.body);
    } catch (error) {
      this.#trouble = error.message;
    } finally {
      this.#isRunning = false;
      at("run").disabled = false;
      put(at("progress"), "");
      this.draw();
    }
  }

  async #read(body) {
    let rest = "";
    for await (const text of body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const line of lines) this.#hear(JSON.parse(line));
    }
  }

  #hear({ part, client, comparison, error }) {
    if (error) throw new Error(error);
    if (comparison) this.#found = comparison;
    else {
      const words = { client, part: Math.round(100 * part) };
      put(at("progress"), say("running", words));
    }
  }

  #drawOne(id) {
    const run = this.#found?.[CLIENTS[id]];
    if (!run) return;
    put(at(`${id}-time`), inMilliseconds(run.time));
    const longest = Math.max(
      ...["lockStep", "split"].flatMap((name) =>
        this.#found[name].packets.map(({ received }) => received)
      ),
    );
    at(id).replaceChildren(pictureOf(run, longest));
  }

  #drawTable() {
    if (!this.#found) return;
    const { lockStep, split } = this.#found;
    const columns = ["sent", "arrived", "answered", "received"];
    const cells = (run, i) =>
      columns.map((name) =>
        element("td", { class: "number" }, run.packets[i][name].toFixed(1))
      );
    const heads = columns.map((name) =>
      element(
        "th",
        { scope: "col", class: "number" },
        say(`measuredColumns.${name}`),
      )
    );
    const group = (name) =>
      element(
        "th",
        { class: "group", colspan: 4, scope: "colgroup" },
        say(name),
      );
    at("measured").replaceChildren(
      element("caption", {}, say("measuredCaption")),
      element(
        "thead",
        {},
        element("tr", {}, element("td"), group("lockStep"), group("split")),
        element(
          "tr",
          {},
          element("th", { scope: "col" }, say("measuredColumns.line")),
          ...heads,
          ...heads.map((head) => head.cloneNode(true)),
        ),
      ),
      element(
        "tbody",
        {},
        ...lockStep.packets.map((_, i) =>
          element(
            "tr",
            {},
            element("th", { scope: "row" }, String(i + 1)),
            ...cells(lockStep, i),
            ...cells(split, i),
          )
        ),
      ),
    );
  }
}

function inMilliseconds(number) {
  return say("milliseconds", { number: number.toFixed(number < 10 ? 1 : 0) });
}

function verdictOf({ lockStep, split, ratio, plan }) {
  return say("verdict", {
    lockStep: inMilliseconds(lockStep.time),
    split: inMilliseconds(split.time),
    ratio: ratio.toFixed(1),
    pace: plan.pace,
    trip: 2 * plan.delay,
  });
}

/** Time runs down; both pictures have the same measure. */
function pictureOf({ packets, time, client }, longest) {
  const height = Math.min(MOST_HEIGHT, 240 + 26 * packets.length);
  const y = (ms) => HEAD + 14 + ms / longest * (height - HEAD - 34);
  const left = SIDE, right = WIDTH - SIDE;
  const label = say("picture", {
    lines: packets.length,
    time: inMilliseconds(time),
  });
  const svg = drawn("svg", {
    viewBox: `0 0 ${WIDTH} ${height}`,
    role: "img",
    "aria-label": label,
    class: `picture ${client}`,
  });
  for (
    const [x, name, lane] of [
      [left, "clientSide", "client"],
      [right, "serverSide", "child"],
    ]
  ) {
    svg.append(
      drawn(
        "g",
        { class: `lane ${lane}` },
        drawn("line", { x1: x, x2: x, y1: HEAD - 8, y2: height - 8 }),
        drawn("rect", { x: x - 50, y: 4, width: 100, height: 30, rx: 7 }),
        drawn("text", { x, y: 24, class: "lane-name" }, say(name)),
      ),
    );
  }
  let free = -Infinity; // numbers that would run into the one before are left out
  packets.forEach(({ sent, arrived, answered, received }, i) => {
    const there = { x1: left, y1: y(sent), x2: right, y2: y(arrived) };
    const back = { x1: right, y1: y(answered), x2: left, y2: y(received) };
    svg.append(
      drawn("line", { ...there, class: "packet there" }),
      drawn("line", { ...back, class: "packet back" }),
    );
    if (y(sent) < free) return;
    free = y(sent) + 13;
    const place = { x: left - 10, y: y(sent) + 4, class: "when" };
    svg.append(drawn("text", place, String(i + 1)));
  });
  const last = packets.at(-1).received;
  svg.append(
    drawn(
      "text",
      { x: left - 10, y: y(last) + 4, class: "when last" },
      inMilliseconds(last),
    ),
  );
  return svg;
}
