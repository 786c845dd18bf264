/**
 * A page of its own: no script, no font, no picture, nothing that comes over a network.
 *
 * @module
 */
import { drawPlot, escapeHtml, type Plot } from "./plot.ts";

/** A number that stands out. */
export interface Figure {
  /** What it is. */
  readonly name: string;
  /** Its value, with the unit. */
  readonly value: string;
}

/** A plot and the numbers under it. */
export interface Section {
  /** What it shows. */
  readonly heading: string;
  /** The plot; without one there is the table alone. */
  readonly plot?: Plot;
  /** The numbers: the first row names the columns. */
  readonly table: readonly (readonly string[])[];
}

/** What a page says. */
export interface Page {
  /** What was measured. */
  readonly title: string;
  /** How, where and when. */
  readonly details: string;
  /** The result at a glance. */
  readonly figures: readonly Figure[];
  /** The rest. */
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

/**
 * Writes a page.
 *
 * @param page What it says.
 * @returns HTML.
 */
export function renderPage(page: Page): string {
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
