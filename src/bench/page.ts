/**
 * A page of its own: no script, no font, no picture, nothing that comes over a network.
 *
 * Scales of plots: where a value lies between the two ends of an axis, and which values are named.
 *
 * @module
 */

/** A value that an axis names. */
interface Tick {
  readonly value: number;
  /** How it is written. */
  readonly text: string;
}

/** An axis's measure. */
interface Scale {
  /** Where a value lies. Returns 0 at one end, 1 at the other. */
  at(value: number): number;
  /** The values that are named, in order. */
  readonly ticks: readonly Tick[];
}

/** From 0 to at least a value, in steps that are easy to read. */
export function linearScale(most: number, steps = 5): Scale {
  const rough = Math.max(most, 1e-9) / steps;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power *
    [1, 2, 2.5, 5, 10].find((it) => it * power >= rough * 0.999)!;
  const count = Math.ceil(most / step - 1e-9) || 1;
  const end = step * count;
  return {
    at: (value) => clamp(value / end),
    ticks: Array.from({ length: count + 1 }, (_, i) => tick(i * step)),
  };
}

/** Powers of ten from below the smallest value to above the largest. */
export function logScale(least: number, most: number): Scale {
  const from = Math.floor(Math.log10(least) + 1e-9);
  const to = Math.max(from + 1, Math.ceil(Math.log10(most) - 1e-9));
  return {
    at: (value) => clamp((Math.log10(value) - from) / (to - from)),
    ticks: Array.from(
      { length: to - from + 1 },
      (_, i) => tick(10 ** (from + i)),
    ),
  };
}

/** Percentiles, with as much room from 90 to 99 as from 99 to 99.9. */
export function percentileScale(most: number): Scale {
  const nines = (percent: number) =>
    -Math.log10(Math.max(1e-12, 1 - percent / 100));
  const named = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999];
  const end = Math.max(nines(most), 1);
  return {
    at: (percent) => clamp(nines(percent) / end),
    ticks: named.filter((percent) => nines(percent) <= end + 1e-9)
      .map((value) => ({ value, text: `${value} %` })),
  };
}

function tick(value: number): Tick {
  return { value, text: readable(value) };
}

/** A number as an axis or a table shows it. For example `0.05`, `12.5`, `20,000`, `2.5 M`. */
export function readable(value: number): string {
  if (value >= 1e6) return `${round(value / 1e6)} M`;
  return round(value);
}

/** Three digits, or all before the point. */
function round(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}

/** A number that stands out. */
export interface Figure {
  /** The name of the value. */
  readonly name: string;
  /** Its value, with the unit. */
  readonly value: string;
}

/** A plot and the numbers under it. */
export interface Section {
  readonly heading: string;
  /** The plot; without one there is the table alone. */
  readonly plot?: Plot;
  /** The numbers: the first row names the columns. */
  readonly table: readonly (readonly string[])[];
}

/** The content of a page. */
export interface ReportPage {
  /** The title: the measurement. */
  readonly title: string;
  /** How, where and when. */
  readonly details: string;
  /** The result at a glance. */
  readonly figures: readonly Figure[];
  readonly sections: readonly Section[];
}

/** Widths that a plot is drawn in; the page shows the one that fits. */
const WIDE = 760;
const NARROW = 320;

const STYLE = `
:root { color-scheme: light dark;
  --page: #f9f9f7; --card: #fcfcfb; --ink: #0b0b0b; --soft: #52514e; --faint: #898781;
  --grid: #e1e0d9; --axis: #c3c2b7; --s0: #2a78d6; --s1: #eb6834; }
@media (prefers-color-scheme: dark) { :root {
  --page: #0d0d0d; --card: #1a1a19; --ink: #ffffff; --soft: #c3c2b7; --faint: #898781;
  --grid: #2c2c2a; --axis: #383835; --s0: #3987e5; --s1: #d95926; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 24px 12px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
main { max-width: ${WIDE + 48}px; margin: auto; }
h1 { font-size: 22px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 0 0 8px; }
p { margin: 0; color: var(--soft); overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px; margin: 20px 0; }
.figure, section { background: var(--card); border: 1px solid var(--grid); border-radius: 8px; padding: 12px 16px; }
.figure b { display: block; font-size: 22px; font-weight: 600; line-height: 1.3; overflow-wrap: anywhere; }
.figure span { color: var(--soft); font-size: 13px; }
section { margin: 0 0 16px; padding: 16px 24px; }
svg { display: block; max-width: 100%; height: auto; }
.narrow { display: none; }
svg text { fill: var(--faint); font: 12px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
svg .label { fill: var(--soft); }
.grid { stroke: var(--grid); } .axis, .tick { stroke: var(--axis); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.area { stroke: none; opacity: .12; } .target { fill: transparent; }
.line.s0 { stroke: var(--s0); } .area.s0, .end.s0 { fill: var(--s0); } .end { stroke: var(--card); stroke-width: 2; }
.line.s1 { stroke: var(--s1); } .area.s1, .end.s1 { fill: var(--s1); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 0 0 4px; padding: 0; list-style: none; color: var(--soft); font-size: 13px; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.legend .s0 { background: var(--s0); } .legend .s1 { background: var(--s1); }
.scroll { overflow-x: auto; margin-top: 12px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 3px 16px 3px 0; white-space: nowrap; }
th { color: var(--soft); font-weight: 500; } tr > :first-child { text-align: left; }
tr + tr > * { border-top: 1px solid var(--grid); }
@media (max-width: ${
  WIDE + 90
}px) { .wide { display: none; } .narrow { display: block; } section { padding: 16px 12px; } .narrow svg { margin: auto; } }
`;

export function renderPage(page: ReportPage): string {
  const { title, details, figures, sections } = page;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(details)}</p>
<div class="figures">${figures.map(figure).join("")}</div>
${sections.map(section).join("\n")}
</main>
</body>
</html>
`;
}

function figure({ name, value }: Figure): string {
  return `<div class="figure"><b>${escapeHtml(value)}</b><span>${
    escapeHtml(name)
  }</span></div>`;
}

function section({ heading, plot, table }: Section): string {
  const picture = plot === undefined
    ? ""
    : legend(plot) + `<div class="wide">${drawPlot(plot, WIDE)}</div>` +
      `<div class="narrow">${drawPlot(plot, NARROW)}</div>`;
  const rows = table.map((row, i) => {
    const cells = row.map((cell, k) => {
      const tag = i === 0 || k === 0 ? "th" : "td";
      return `<${tag}>${escapeHtml(cell)}</${tag}>`;
    });
    return `<tr>${cells.join("")}</tr>`;
  });
  return `<section><h2>${escapeHtml(heading)}</h2>${picture}` +
    `<div class="scroll"><table>${rows.join("")}</table></div></section>`;
}

/** Which line is which; one alone is named by the heading. */
function legend({ series }: Plot): string {
  if (series.length < 2) return "";
  const entries = series.map(({ name }, i) =>
    `<li><i class="s${i}"></i>${escapeHtml(name)}</li>`
  );
  return `<ul class="legend">${entries.join("")}</ul>`;
}

interface Point {
  readonly x: number;
  readonly y: number;
  /** The text under the pointer. */
  readonly title: string;
}

interface Series {
  /** Its name, for the legend. */
  readonly name: string;
  /** Its points, from left to right. */
  readonly points: readonly Point[];
}

interface Axis {
  /** Its measure. */
  readonly scale: Scale;
  /** The quantity, with its unit. */
  readonly label: string;
}

export interface Plot {
  /** A description for readers who cannot see it. */
  readonly description: string;
  readonly x: Axis;
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

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
