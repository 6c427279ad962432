// Runners: their queues, their batches and their replicas.

import { bars, spark } from "./charts.js";
import { copy, list, mark, showText, write } from "./dom.js";
import { latency, NOTHING, number, plural, rate, sum } from "./numbers.js";

/** State of a replica → how it is shown, beside its name. */
const TONES = { ready: "good", starting: "warn", draining: "warn", waiting: "warn", failed: "bad", unresponsive: "bad" };

/** Lines of an error that are shown: the place that raised, and the exception's message. */
const LINES = 6;

/** Shows all runners; those of jobs with the jobs that wait for them. */
export function showRunners(runners, jobs, seconds) {
  document.getElementById("runners-section").hidden = !runners.length;
  list(document.getElementById("runners"), runners, (runner) => runner.name, () => copy("runner"), (parts, runner) => {
    update(parts, runner, jobs?.counts[runner.name]?.queued ?? 0, seconds);
  });
}

function update({ slots }, runner, queued, seconds) {
  const ready = runner.replicas.filter((replica) => replica.state === "ready").length;
  const all = runner.replicas.length;
  const known = (name) => sum(runner.replicas.map((replica) => replica[name] ?? 0));
  write(slots.name, runner.name);
  const idle = runner.replicas.some((replica) => replica.state === "idle");
  write(slots.ready, idle ? "idle" : `${ready} of ${all} ready`);
  mark(slots.ready, "data-tone", idle ? "idle" : !all || !ready ? "bad" : ready < all ? "warn" : "good");
  showText(slots.error, runner.error);
  write(slots.waiting, number(known("waiting") + queued));
  write(slots.running, number(known("running")));
  write(slots.runs, rate(runner.rate));
  write(slots.wait, latency(runner.wait));
  write(slots.dropped, number(runner.lost));
  mark(slots.dropped, "data-tone", runner.lost ? "warn" : null);
  slots.batches.hidden = !runner.batches;
  slots.runsFigure.hidden = runner.batches;
  if (runner.batches) showBatches(slots, runner.batch);
  else showRuns(slots, runner.series, seconds);
  list(slots.replicas, runner.replicas, (replica) => replica.number, () => copy("replica"), showReplica);
}

function showRuns(slots, series, seconds) {
  write(slots.peak, series.length ? `at most ${rate(Math.max(...series.map(([, value]) => value)))}` : "");
  spark(slots.chart, series, seconds);
}

function showBatches(slots, batch) {
  const mean = batch.mean === null ? NOTHING : number(batch.mean);
  write(slots.batchNote, batch.inWindow ? `mean ${mean}` : `mean ${mean}, since the start`);
  bars(slots.bars, batch);
}

function showReplica({ slots }, replica) {
  write(slots.state, replica.state);
  mark(slots.state, "data-tone", TONES[replica.state] ?? "idle");
  write(slots.device, `Replica ${replica.number} on ${replica.device}`);
  const facts = [
    replica.pid ? `pid ${replica.pid}` : "no process",
    replica.waiting === undefined ? null : `${number(replica.waiting)} waiting`,
    replica.running === undefined ? null : `${number(replica.running)} running`,
  ];
  write(slots.facts, facts.filter(Boolean).join(" · "));
  write(slots.restarts, plural(replica.restarts, "restart"));
  mark(slots.restarts, "data-tone", replica.restarts ? "warn" : null);
  showText(slots.error, lastLines(replica.error));
}

/** Returns what a traceback ends with. */
function lastLines(text) {
  return text?.trimEnd().split("\n").slice(-LINES).join("\n");
}
