// Snapshots of one service, and what happened between two of them. Pure: time is what the snapshots say.

import { minus, plus, quantile, share, sum, total } from "./numbers.js";

/** Seconds by which a clock may be set back before the past is forgotten. */
const PATIENCE = 5;

/** Seconds after which not every snapshot is kept, and those between two that are. */
const RECENT = 300;
const COARSE = 5;

/** Keeps the snapshots of the last seconds, whichever processes made them. */
export class History {
  /** @param keep seconds */
  constructor(keep) {
    this.keep = keep;
    this.entries = [];
    this.past = [];
  }

  get newest() {
    return this.entries.at(-1) ?? null;
  }

  /** Adds a snapshot, and returns whether it was news. Another instance, or counts that went back, start anew. */
  add(snapshot) {
    const entry = digest(snapshot);
    const last = this.newest;
    if (last) {
      const late = last.at - entry.at;
      if (late >= 0 && late < PATIENCE && entry.instance === last.instance) return false;
      if (late >= PATIENCE || entry.instance !== last.instance || entry.requests < last.requests) this.entries = [];
    }
    this.entries.push(entry);
    this.#complete();
    this.#thin(entry.at - RECENT);
    const oldest = entry.at - this.keep;
    // One that is older stays, so that the window is whole.
    while (this.entries.length > 2 && this.entries[1].at <= oldest) this.entries.shift();
    return true;
  }

  /** Takes the counts of the time before the page was opened; those of another instance are left out. */
  restore(past) {
    this.past = past.map(digestOfPast);
    this.#complete();
  }

  #complete() {
    const [first] = this.entries;
    if (!first || !this.past.length) return;
    const isBefore = (entry) => entry.instance === first.instance && entry.at < first.at && entry.requests <= first.requests;
    this.entries.unshift(...this.past.filter(isBefore));
    this.past = [];
  }

  /** Drops the entry that has just become old, if another one is near. */
  #thin(since) {
    const place = this.entries.findLastIndex((entry) => entry.at <= since);
    if (place > 0 && this.entries[place].at - this.entries[place - 1].at < COARSE) this.entries.splice(place, 1);
  }

  /** Returns the entries of the last so many seconds, and the one at which they begin. */
  span(seconds) {
    const since = (this.newest?.at ?? 0) - seconds;
    const first = this.entries.findLastIndex((entry) => entry.at <= since);
    return this.entries.slice(Math.max(first, 0));
  }
}

/** Returns the entry of a snapshot that has the counts alone: nothing is known of what waited then. */
function digestOfPast(snapshot) {
  return digest({ ...snapshot, runners: snapshot.runners.map((runner) => ({ ...runner, replicas: [] })) }, null);
}

function digest(snapshot, known = waiting(snapshot)) {
  const routes = new Map(snapshot.routes.map((route) => [route.name, route]));
  const runners = new Map(snapshot.runners.map((runner) => [runner.name, runner]));
  return {
    at: snapshot.at,
    instance: snapshot.instance,
    snapshot,
    routes,
    runners,
    requests: sum(snapshot.routes.map((route) => total(route.statuses))),
    waiting: known,
  };
}

/** Returns the calls that wait in replicas and the jobs in the queue. */
export function waiting(snapshot) {
  const calls = sum(snapshot.runners.flatMap((runner) => runner.replicas.map((replica) => replica.waiting ?? 0)));
  const jobs = sum(Object.values(snapshot.jobs?.counts ?? {}).map((route) => route.queued ?? 0));
  return { calls, jobs };
}

/** Returns what happened to one route from one entry to a later one. */
export function happened(route, before) {
  const grown = (status) => route.statuses[status] - (before?.statuses[status] ?? 0);
  const codes = Object.keys(route.statuses);
  const of = (digit) => sum(codes.filter((code) => code.startsWith(digit)).map(grown));
  return {
    requests: sum(codes.map(grown)),
    refused: of("4"),
    failed: of("5"),
    seconds: route.sum - (before?.sum ?? 0),
    counts: minus(route.counts, before?.counts),
    hits: (route.cache.hit ?? 0) - (before?.cache.hit ?? 0),
    misses: (route.cache.miss ?? 0) - (before?.cache.miss ?? 0),
  };
}

const NONE = { requests: 0, refused: 0, failed: 0, seconds: 0, counts: [], hits: 0, misses: 0 };

function together(one, other) {
  return {
    requests: one.requests + other.requests,
    refused: one.refused + other.refused,
    failed: one.failed + other.failed,
    seconds: one.seconds + other.seconds,
    counts: plus(one.counts, other.counts),
    hits: one.hits + other.hits,
    misses: one.misses + other.misses,
  };
}

/** Returns the numbers of what happened in so many seconds; null for what can't be known. */
function measured(what, seconds, bounds) {
  return {
    ...what,
    rate: seconds > 0 ? what.requests / seconds : null,
    mean: share(what.seconds, what.requests),
    p50: quantile(0.5, bounds, what.counts),
    p95: quantile(0.95, bounds, what.counts),
    p99: quantile(0.99, bounds, what.counts),
    failures: share(what.failed, what.requests),
    hitRate: share(what.hits, what.hits + what.misses),
  };
}

function between(newer, older, bounds, chosen) {
  const seconds = newer.at - older.at;
  const routes = newer.snapshot.routes.filter(chosen);
  const all = routes.map((route) => happened(route, older.routes.get(route.name)));
  return measured(all.reduce(together, NONE), seconds, bounds);
}

/** Returns pairs of each entry but the first with the one before it. */
function steps(entries) {
  return entries.slice(1).map((entry, place) => [entry, entries[place]]);
}

/**
 * Returns what the page shows of the last seconds: of all routes but the library's own, and of each route.
 * A series is a list of [seconds before the newest snapshot, value].
 */
export function summary(history, seconds) {
  const entries = history.span(seconds);
  const newest = entries.at(-1);
  const bounds = newest.snapshot.bounds.seconds;
  const isCounted = (route) => !route.own;
  const series = (entry, value) => [entry.at - newest.at, value];
  const ticks = steps(entries).map(([newer, older]) => [newer, between(newer, older, bounds, isCounted)]);
  return {
    seconds: newest.at - entries[0].at,
    all: between(newest, entries[0], bounds, isCounted),
    series: {
      rate: ticks.map(([entry, tick]) => series(entry, tick.rate)),
      p95: ticks.map(([entry, tick]) => series(entry, tick.p95?.value ?? null)),
      failures: ticks.map(([entry, tick]) => series(entry, tick.failed)),
      hitRate: ticks.map(([entry, tick]) => series(entry, tick.hitRate)),
      waiting: entries.map((entry) => series(entry, entry.waiting && entry.waiting.calls + entry.waiting.jobs)),
    },
    routes: newest.snapshot.routes.map((route) => ofRoute(route, entries, bounds)),
    runners: newest.snapshot.runners.map((runner) => ofRunner(runner, entries)),
    processes: (newest.snapshot.processes ?? []).map((process) => ofProcess(process, entries)),
  };
}

/** Returns a process with the share of one CPU that it has used. */
function ofProcess(process, entries) {
  const find = (entry) => entry.snapshot.processes?.find(({ pid }) => pid === process.pid);
  const first = entries.find(find);
  const newest = entries.at(-1);
  return { ...process, share: share(process.cpu - find(first).cpu, newest.at - first.at) };
}

function ofRoute(route, entries, bounds) {
  const newest = entries.at(-1);
  const seconds = newest.at - entries[0].at;
  const series = steps(entries).map(([newer, older]) => {
    const [after, before] = [newer.routes.get(route.name), older.routes.get(route.name)];
    const grown = total(after?.statuses) - total(before?.statuses);
    return [newer.at - newest.at, grown / (newer.at - older.at)];
  });
  const what = happened(route, entries[0].routes.get(route.name));
  return { ...route, ...measured(what, seconds, bounds), series, ever: total(route.statuses) };
}

function ofRunner(runner, entries) {
  const before = entries[0].runners.get(runner.name);
  const { bounds } = entries.at(-1).snapshot;
  const seconds = entries.at(-1).at - entries[0].at;
  const recent = minus(runner.sizes.counts, before?.sizes.counts);
  const inWindow = sum(recent) > 0;
  const calls = inWindow ? runner.sizes.sum - (before?.sizes.sum ?? 0) : runner.sizes.sum;
  const sizes = inWindow ? recent : runner.sizes.counts;
  return {
    ...runner,
    rate: seconds > 0 ? sum(recent) / seconds : null,
    series: steps(entries).map(([newer, older]) => [newer.at - entries.at(-1).at, runs(newer, older, runner.name)]),
    mean: share(runner.runs.sum - (before?.runs.sum ?? 0), sum(minus(runner.runs.counts, before?.runs.counts))),
    wait: quantile(0.95, bounds.waits, minus(runner.waits.counts, before?.waits.counts)),
    batch: { bounds: bounds.sizes, counts: sizes, mean: share(calls, sum(sizes)), inWindow },
    lost: total(runner.dropped),
  };
}

/** Returns how many runs per second a runner made from one entry to a later one. */
function runs(newer, older, name) {
  const all = (entry) => sum(entry.runners.get(name)?.sizes.counts ?? []);
  return Math.max(0, all(newer) - all(older)) / (newer.at - older.at);
}
