// The graph of models: which route or model calls which, with each one's queue, batches and time.

import { copy, list, mark, write } from "./dom.js";
import { layout, NODE } from "./layers.js";
import { duration, NOTHING, number, rate, sum } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";

/** Characters of a name for which a node has room. */
const LONGEST = 20;

let drawn = null;

/**
 * Shows who calls whom, if there is a model that is called.
 *
 * @param calls the names of the models that a route or a model calls, by its name
 */
export function showGraph(calls, routes, runners) {
  const section = document.getElementById("graph-section");
  section.hidden = !Object.keys(calls ?? {}).length;
  if (section.hidden) return;
  if (drawn?.key !== JSON.stringify(calls)) drawn = draw(document.getElementById("graph"), calls);
  const nodes = [...drawn.texts.keys()].map((name) => node(name, calls, routes, runners));
  for (const { name, queue, batch, mean, rate: calledAt } of nodes) {
    const [load, time] = drawn.texts.get(name);
    write(load, [queue && `${queue} waiting`, batch && `batch ${batch}`].filter(Boolean).join(" · ") || "route");
    write(time, `mean ${duration(mean)} · ${rate(calledAt)}/s`);
  }
  list(document.getElementById("graph-rows"), nodes, ({ name }) => name, () => copy("node"), showRow);
}

/** Returns what is known of a node: of one with replicas by its runner, of another by its requests. */
function node(name, calls, routes, runners) {
  const runner = runners.find((one) => one.name === name);
  const route = routes.find((one) => one.name === name);
  const waiting = runner && sum(runner.replicas.map((replica) => replica.waiting ?? 0));
  return {
    name,
    calls: calls[name] ?? [],
    queue: runner ? number(waiting) : null,
    batch: runner?.batches ? number(runner.batch.mean) : null,
    mean: (runner ?? route)?.mean ?? null,
    rate: (runner ?? route)?.rate ?? null,
  };
}

function showRow({ slots }, found) {
  write(slots.name, found.name);
  write(slots.calls, found.calls.join(", ") || "nothing");
  write(slots.queue, found.queue ?? NOTHING);
  write(slots.batch, found.batch ?? NOTHING);
  write(slots.mean, duration(found.mean));
}

/** Draws the graph anew, and returns the texts of each node that change, by its name. */
function draw(parent, calls) {
  const { places, lines, width, height } = layout(calls);
  const svg = shape(null, "svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const tip = { id: "graph-tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" };
  shape(shape(svg, "marker", tip), "path", { d: "M0 0L8 4L0 8z", class: "tip" });
  for (const d of lines) shape(svg, "path", { d, class: "edge", "marker-end": "url(#graph-tip)" });
  const texts = new Map([...places].map(([name, place]) => [name, box(svg, name, place)]));
  parent.replaceChildren(svg);
  return { key: JSON.stringify(calls), texts };
}

function box(svg, name, { x, y }) {
  const group = shape(svg, "g", { transform: `translate(${x} ${y})` });
  shape(group, "rect", { width: NODE.width, height: NODE.height, rx: 10, class: "node" });
  const short = name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name;
  write(shape(group, "text", { x: 14, y: 24, class: "node-name" }), short);
  write(shape(group, "title", {}), name);
  return [44, 61].map((level) => shape(group, "text", { x: 14, y: level, class: "node-more" }));
}

function shape(parent, kind, attributes) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) mark(made, name, value);
  parent?.append(made);
  return made;
}
