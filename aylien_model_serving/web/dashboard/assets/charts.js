// Charts, drawn as SVG and boxes. The numbers that matter are shown beside them as text.

import { element, list, mark, write } from "./dom.js";
import { number } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 100;
const HEIGHT = 32;

/** Draws a line of values over the last seconds into a node; a null is a gap. */
export function spark(node, series, seconds, { most = 0 } = {}) {
  const svg = node.firstElementChild ?? node.appendChild(blank());
  const known = series.filter(([, value]) => value !== null).map(([, value]) => value);
  const top = Math.max(most, ...known) || 1;
  const x = (at) => WIDTH * (1 + at / seconds);
  const y = (value) => HEIGHT - 1.5 - (HEIGHT - 4) * (value / top);
  const [area, line] = svg.children;
  const runs = unbroken(series);
  mark(line, "d", runs.map((run) => path(run, x, y)).join(""));
  mark(area, "d", runs.filter((run) => run.length > 1).map((run) => under(run, x, y)).join(""));
}

function blank() {
  const svg = document.createElementNS(SVG, "svg");
  mark(svg, "viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  mark(svg, "preserveAspectRatio", "none");
  mark(svg, "aria-hidden", "true");
  for (const kind of ["area", "line"]) {
    const shape = svg.appendChild(document.createElementNS(SVG, "path"));
    mark(shape, "class", kind);
    mark(shape, "vector-effect", "non-scaling-stroke");
  }
  return svg;
}

/** Cuts a series at its gaps. */
function unbroken(series) {
  const runs = [[]];
  for (const point of series) {
    if (point[1] === null) runs.push([]);
    else runs.at(-1).push(point);
  }
  return runs.filter((run) => run.length);
}

function path(run, x, y) {
  const points = run.map(([at, value]) => `${x(at).toFixed(2)} ${y(value).toFixed(2)}`);
  // A point alone is a short dash.
  return `M${points.join("L")}${run.length === 1 ? "h0.8" : ""}`;
}

function under(run, x, y) {
  const [first, last] = [x(run[0][0]), x(run.at(-1)[0])];
  return `${path(run, x, y)}L${last.toFixed(2)} ${HEIGHT}L${first.toFixed(2)} ${HEIGHT}Z`;
}

/** Draws how often batches of each size were run. */
export function bars(node, { bounds, counts }) {
  const shown = Math.max(6, counts.findLastIndex((count) => count > 0) + 1);
  const columns = counts.slice(0, shown).map((count, place) => ({ label: label(bounds, place), count }));
  const top = Math.max(1, ...counts);
  list(node, columns, (column) => column.label, column, (parts, { label: size, count }) => {
    write(parts.count, count ? number(count) : "");
    write(parts.size, size);
    parts.bar.style.height = `${count ? Math.max(3, (100 * count) / top) : 0}%`;
  });
  const batches = columns.filter(({ count }) => count).map(({ label: size, count }) => `${number(count)} of ${size}`);
  mark(node, "aria-label", `Batches by size: ${batches.join(", ") || "none yet"}`);
}

function column() {
  const node = element("div", "column");
  const count = node.appendChild(element("span", "column-count"));
  const track = node.appendChild(element("div", "column-track"));
  const bar = track.appendChild(element("div", "column-bar"));
  const size = node.appendChild(element("span", "column-size"));
  return { node, count, bar, size };
}

/** Returns the sizes that a bucket holds, in words. */
export function label(bounds, place) {
  const low = place ? bounds[place - 1] + 1 : 1;
  if (place >= bounds.length) return `${low}+`;
  return low === bounds[place] ? `${low}` : `${low}–${bounds[place]}`;
}
