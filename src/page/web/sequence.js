/** A connection as a sequence diagram: a lane a process, a row a step, with the times that were taken. */
import { linksOf } from "./steps.js";
import { drawn, say, showMoment, stepWords } from "./text.js";

const TOP = 46, FIRST = 76, LEFT = 78, RIGHT = 12;
/** Rows are this far from each other at least; a longer time makes it more, ten times as long a bit more. */
const ROW = { least: 40, more: 9 };

/** Which lanes a connection has. */
export function lanesOf({ hasZygote, steps }) {
  const isRefused = steps.at(-1)?.kind === "refused" && steps.length < 3;
  if (isRefused) return ["client", "parent"];
  return hasZygote
    ? ["client", "parent", "zygote", "child"]
    : ["client", "parent", "child"];
}

/** Where the rows of a connection are, and how long each pause between two of them was. */
export function rowsOf({ steps }) {
  let y = FIRST;
  return steps.map((step, i) => {
    const gap = i === 0 ? 0 : step.at - steps[i - 1].at;
    if (i > 0) y += ROW.least + ROW.more * Math.log10(1 + gap / 100);
    return { step, y, gap, since: step.at - steps[0].at };
  });
}

/**
 * Draws it.
 *
 * @param shown How many steps have been reached; those after it are pale.
 * @returns The drawing, and where a step's arrow begins and ends.
 */
export function drawSequence(connection, width, shown) {
  const lanes = lanesOf(connection), rows = rowsOf(connection);
  const height = (rows.at(-1)?.y ?? TOP) + 40;
  const room = (width - LEFT - RIGHT) / lanes.length;
  const x = (lane) => LEFT + room * (lanes.indexOf(lane) + 0.5);
  const svg = drawn("svg", {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "img",
    "aria-label": say("diagram", { id: connection.id }),
  });
  svg.append(
    drawn(
      "defs",
      {},
      ...lanes.map((lane) => marker(lane)),
    ),
  );
  for (const lane of lanes) {
    svg.append(laneOf(connection, lane, x(lane), height, room));
  }
  rows.forEach((row, i) => {
    const state = i < shown - 1 ? "past" : i === shown - 1 ? "now" : "future";
    svg.append(rowOf(row, x, state, room, width));
  });
  return { svg, rows, x };
}

/** The head of an arrow, in the colour of its lane. */
function marker(lane) {
  const size = { markerWidth: 11, markerHeight: 10, refX: 10, refY: 5 };
  const units = { orient: "auto-start-reverse", markerUnits: "userSpaceOnUse" };
  return drawn(
    "marker",
    { id: `head-${lane}`, ...size, ...units },
    drawn("path", { d: "M0 0L11 5L0 10Z", class: `head ${lane}` }),
  );
}

function laneOf(connection, lane, x, height, room) {
  const { pid, handedTo, server } = connection;
  const pids = { parent: server.pid, zygote: handedTo, child: pid };
  const wide = Math.min(room - 3, 128);
  const name = drawn(
    "text",
    { x, y: 21, class: "lane-name" },
    say(`lanes.${lane}`),
  );
  const below = lane === "client"
    ? connection.peer.split(":").at(-1)
    : String(pids[lane] || "–");
  return drawn(
    "g",
    { class: `lane ${lane}` },
    drawn("line", { x1: x, x2: x, y1: TOP, y2: height - 8 }),
    drawn("rect", {
      x: x - wide / 2,
      y: 4,
      width: wide,
      height: TOP - 8,
      rx: 7,
    }),
    name,
    drawn("text", { x, y: 36, class: "lane-pid" }, below),
  );
}

/** The time, the arrow, and its system call. */
function rowOf({ step, y, since }, x, state, room, width) {
  const { kind, from, to, isBoth, isMeasured = true } = step;
  const { call, short } = linksOf(kind);
  const start = x(from), end = x(to);
  const time = isMeasured ? showMoment(since) : "";
  const group = drawn(
    "g",
    { class: `row ${state} ${kind}` },
    drawn("text", { x: LEFT - 12, y: y + 4, class: "when" }, time),
  );
  if (from === to) {
    const isLast = start + 16 + CHARACTER * call.length > width;
    group.append(
      drawn("circle", { cx: start, cy: y, r: 5, class: `dot ${from}` }),
      drawn(
        "text",
        {
          x: isLast ? start - 10 : start + 10,
          y: y - 8,
          class: isLast ? "call end" : "call",
        },
        call,
      ),
    );
    return group;
  }
  const direction = Math.sign(end - start);
  const arrow = {
    x1: start + 3 * direction,
    x2: end - 3 * direction,
    y1: y,
    y2: y,
    "marker-end": `url(#head-${from})`,
  };
  if (isBoth) arrow["marker-start"] = `url(#head-${from})`;
  group.append(
    drawn("line", { ...arrow, class: `arrow ${from}` }),
    label(
      [call, short],
      { x: (start + end) / 2, y: y - 7 },
      Math.max(Math.abs(end - start), room) - 6,
    ),
  );
  return group;
}

/** How wide a character of a system call is, in pixels. */
const CHARACTER = 6.7;

/** A system call above its arrow, the short one where there is little room. */
function label([call, short], place, room) {
  const text = CHARACTER * call.length <= room ? call : short;
  return drawn("text", { ...place, class: "call middle" }, text);
}

/** What a step is called, with its number, and the process that it leads to. */
export function titleOf({ kind, values, pid }, i) {
  const to = pid === undefined ? "" : ` → ${pid}`;
  return `${i + 1}. ${stepWords(kind, values).name}${to}`;
}

/** Properties that a saved drawing takes along: it has no style sheet of its own. */
const KEPT = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "opacity",
];

/** The drawing as a file of its own, in the colours of the moment. */
export function fileOf(svg) {
  const copy = svg.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const originals = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((made, i) => {
    const style = getComputedStyle(originals[i]);
    for (const name of KEPT) {
      const value = style.getPropertyValue(name);
      if (value) made.setAttribute(name, value);
    }
    made.removeAttribute("class");
  });
  const back = drawn("rect", {
    width: "100%",
    height: "100%",
    fill: getComputedStyle(svg.closest(".card")).backgroundColor,
  });
  copy.prepend(back);
  return new XMLSerializer().serializeToString(copy);
}
