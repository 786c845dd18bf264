/**
 * Line plots as SVG. Colours and fonts come from the page's style.
 *
 * @module
 */
import type { Scale } from "./scale.ts";

/** A point of a line. */
export interface Point {
  /** Its value on the horizontal axis. */
  readonly x: number;
  /** Its value on the vertical axis. */
  readonly y: number;
  /** What is said of it when somebody points at it. */
  readonly title: string;
}

/** A line. */
export interface Series {
  /** Its name, for the legend. */
  readonly name: string;
  /** Its points, from left to right. */
  readonly points: readonly Point[];
}

/** An axis. */
export interface Axis {
  /** Its measure. */
  readonly scale: Scale;
  /** What it measures, with the unit. */
  readonly label: string;
}

/** What is drawn. */
export interface Plot {
  /** What it shows, for those who cannot see it. */
  readonly description: string;
  /** The horizontal axis. */
  readonly x: Axis;
  /** The vertical axis. */
  readonly y: Axis;
  /** The lines, two at most. */
  readonly series: readonly Series[];
  /** Whether the room under a line is tinted, as suits amounts that start at 0. */
  readonly filled?: boolean;
  /** Whether a value holds until the next one. */
  readonly stepped?: boolean;
}

const HEIGHT = 300;
const LEFT = 64;
const RIGHT = 16;
const TOP = 28;
const BOTTOM = 44;
const BASE = HEIGHT - BOTTOM;
/** Points that can be pointed at are at least this far from each other. */
const NEAR = 6;

/**
 * Draws a plot.
 *
 * @param plot What is drawn.
 * @param width In CSS pixels; letters have the page's size whatever it is.
 * @returns An `svg` element.
 */
export function drawPlot(plot: Plot, width: number): string {
  const x = (value: number) =>
    LEFT + plot.x.scale.at(value) * (width - LEFT - RIGHT);
  const y = (value: number) => BASE - plot.y.scale.at(value) * (BASE - TOP);
  const marks = plot.series.map((series, i) => {
    const points = series.points.map((point) =>
      [x(point.x), y(point.y), point.title] as const
    );
    const path = points.map(([x, y], k) => {
      if (k === 0) return `M${n(x)} ${n(y)}`;
      return plot.stepped ? `H${n(x)}V${n(y)}` : `L${n(x)} ${n(y)}`;
    }).join("");
    const [first, last] = [points[0]!, points.at(-1)!];
    const area = plot.filled
      ? `<path class="area s${i}" d="${path}V${BASE}H${n(first[0])}Z"/>`
      : "";
    return `${area}<path class="line s${i}" d="${path}"/>` +
      `<circle class="end s${i}" cx="${n(last[0])}" cy="${
        n(last[1])
      }" r="3.5"/>` +
      targets(points);
  });
  return `<svg viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}" role="img" aria-label="${
    escapeHtml(plot.description)
  }">${grid(plot, width, x, y)}${marks.join("")}</svg>`;
}

function grid(
  plot: Plot,
  width: number,
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  const rows = plot.y.scale.ticks.map(({ value, text }) =>
    `<line class="grid" x1="${LEFT}" x2="${width - RIGHT}" y1="${
      n(y(value))
    }" y2="${n(y(value))}"/><text x="${LEFT - 8}" y="${
      n(y(value) + 4)
    }" text-anchor="end">${text}</text>`
  );
  // Names that would run into the one before are left out.
  let free = -Infinity;
  const columns = plot.x.scale.ticks.map(({ value, text }) => {
    const at = x(value);
    const half = 4 * text.length;
    if (at - half < free) return "";
    free = at + half + 8;
    const anchor = at + half > width ? "end" : "middle";
    const place = anchor === "end" ? width - 2 : at;
    return `<line class="tick" x1="${n(at)}" x2="${n(at)}" y1="${BASE}" y2="${
      BASE + 4
    }"/>` +
      `<text x="${n(place)}" y="${
        BASE + 18
      }" text-anchor="${anchor}">${text}</text>`;
  });
  const middle = (LEFT + width - RIGHT) / 2;
  return rows.join("") + columns.join("") +
    `<line class="axis" x1="${LEFT}" x2="${
      width - RIGHT
    }" y1="${BASE}" y2="${BASE}"/>` +
    `<text class="label" x="${middle}" y="${HEIGHT - 6}" text-anchor="middle">${
      escapeHtml(plot.x.label)
    }</text><text class="label" x="4" y="14">${
      escapeHtml(plot.y.label)
    }</text>`;
}

/** Invisible places that say their value, not more of them than a finger can tell apart. */
function targets(
  points: readonly (readonly [number, number, string])[],
): string {
  let last = -Infinity;
  return points.map(([x, y, title], i) => {
    if (x - last < NEAR && i !== points.length - 1) return "";
    last = x;
    return `<circle class="target" cx="${n(x)}" cy="${n(y)}" r="8"><title>${
      escapeHtml(title)
    }</title></circle>`;
  }).join("");
}

/** A coordinate, to a tenth of a pixel. */
function n(value: number): string {
  return String(Math.round(10 * value) / 10);
}

/**
 * Text that stands in HTML as itself.
 *
 * @param text Any text.
 * @returns The same, with what HTML would take for its own written otherwise.
 */
export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
