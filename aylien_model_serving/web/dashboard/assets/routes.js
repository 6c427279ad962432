// The table of routes.

import { spark } from "./charts.js";
import { copy, element, list, mark, write } from "./dom.js";
import { duration, latency, NOTHING, number, percent, rate, share } from "./numbers.js";

/** Shows every route of the service, and the library's own endpoints once they have been requested. */
export function showRoutes(routes, seconds) {
  const shown = routes.filter((route) => !route.own || route.ever > 0);
  shown.sort((one, other) => isAside(one) - isAside(other)); // and else in the service's order
  list(document.getElementById("routes"), shown, (route) => route.name, make, (parts, route) =>
    update(parts, route, seconds),
  );
}

function isAside(route) {
  return Number(Boolean(route.own) || route.path === undefined);
}

function make(route) {
  const parts = copy("route");
  write(parts.slots.name, route.name);
  write(parts.slots.path, placeOf(route));
  mark(parts.node, "data-aside", isAside(route) ? "yes" : null);
  for (const [kind, has] of Object.entries({ job: route.job, runner: route.runner && !route.job, cache: route.cached })) {
    if (has) parts.slots.badges.append(element("span", "badge", kind));
  }
  return parts;
}

function placeOf(route) {
  if (route.name === "unmatched") return "paths without a route";
  return route.path === undefined ? "" : `${route.methods.join(", ")} ${route.path}`;
}

function update({ slots }, route, seconds) {
  write(slots.rate, rate(route.rate));
  write(slots.mean, duration(route.mean));
  for (const name of ["p50", "p95", "p99"]) write(slots[name], latency(route[name]));
  count(slots.refused, route.refused, route, "warn");
  count(slots.failed, route.failed, route, "bad");
  write(slots.cache, route.cached || route.hitRate !== null ? percent(route.hitRate) : NOTHING);
  for (const cell of Object.values(slots)) {
    if (cell.dataset.label) mark(cell, "data-empty", [NOTHING, "0", "0.0"].includes(cell.textContent) ? "yes" : null);
  }
  spark(slots.chart, route.series, seconds);
}

function count(cell, times, { requests }, tone) {
  write(cell, times ? `${number(times)} (${percent(share(times, requests))})` : "0");
  mark(cell, "data-tone", times ? tone : null);
}
