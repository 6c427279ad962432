// The row at the top: the service at a glance.

import { spark } from "./charts.js";
import { copy, mark, write } from "./dom.js";
import { latency, number, percent, plural, rate } from "./numbers.js";

/** Name of a tile → what it shows of a summary; null where the service has no such thing. */
const TILES = {
  rate({ all, series }) {
    return {
      label: "Requests",
      value: rate(all.rate),
      unit: "per second",
      more: plural(all.requests, "request"),
      series: series.rate,
    };
  },
  latency({ all, series }) {
    return {
      label: "Latency, p95",
      value: latency(all.p95),
      more: `p50 ${latency(all.p50)} · p99 ${latency(all.p99)}`,
      series: series.p95,
    };
  },
  failures({ all, series }) {
    return {
      label: "Failures",
      value: percent(all.failures),
      unit: all.failures === null ? "" : "of all",
      more: `${number(all.failed)} failed · ${number(all.refused)} refused`,
      series: series.failures,
      tone: all.failed ? "bad" : "good",
      most: 1,
    };
  },
  queue({ series }, { runners, jobs }, waiting) {
    if (!runners.length && !jobs) return null;
    const kinds = [runners.length && plural(waiting.calls, "call"), jobs && plural(waiting.jobs, "job")];
    return {
      label: "Queue",
      value: number(waiting.calls + waiting.jobs),
      unit: "waiting",
      more: kinds.filter(Boolean).join(" · "),
      series: series.waiting,
      most: 4,
    };
  },
  cache({ all, series }, { routes }) {
    if (!routes.some((route) => route.cached || route.cache.hit || route.cache.miss)) return null;
    return {
      label: "Cache hits",
      value: percent(all.hitRate),
      unit: all.hitRate === null ? "" : "of look-ups",
      more: `${plural(all.hits, "hit")} · ${number(all.misses)} missed`,
      series: series.hitRate,
      most: 1,
    };
  },
};

const made = new Map();

/** Shows a summary in the tiles. */
export function showTiles(summary, snapshot, waiting, seconds) {
  for (const [name, summarize] of Object.entries(TILES)) {
    const node = document.getElementById(`tile-${name}`);
    const shown = summarize(summary, snapshot, waiting);
    node.hidden = shown === null;
    if (shown !== null) show(node, name, shown, seconds);
  }
}

function show(node, name, shown, seconds) {
  if (!made.has(name)) {
    const { fragment, slots } = copy("tile");
    node.append(fragment);
    made.set(name, slots);
  }
  const slots = made.get(name);
  write(slots.label, shown.label);
  write(slots.value, shown.value);
  write(slots.unit, shown.unit ?? "");
  write(slots.more, shown.more);
  mark(node, "data-tone", shown.tone ?? "plain");
  spark(slots.chart, shown.series, seconds, { most: shown.most ?? 0 });
}
