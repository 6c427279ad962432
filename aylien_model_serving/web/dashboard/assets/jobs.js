// Jobs: how many there are, the latest of them, and what can be done with one.

import { copy, element, list, mark, showText, write } from "./dom.js";
import { duration, number, percent, plural, span, sum } from "./numbers.js";

const STATUSES = ["queued", "processing", "streaming", "finished", "failed", "cancelled"];

const ENDED = new Set(["finished", "failed", "cancelled"]);

const TONES = {
  queued: "idle",
  processing: "busy",
  streaming: "busy",
  finished: "good",
  failed: "bad",
  cancelled: "warn",
};

/** The list of jobs; of one state alone if the reader asks for it. */
export class Jobs {
  /**
   * @param service sends requests to the service
   * @param dialogs show a result, and ask before a job is cancelled
   * @param announce announces changes to screen readers
   */
  constructor(service, dialogs, announce) {
    Object.assign(this, { service, dialogs, announce });
    this.status = null;
    this.found = [];
    this.counted = "";
    this.snapshot = null;
    this.nodes = Object.fromEntries(
      ["jobs", "filters", "jobs-section", "jobs-empty", "jobs-note"].map((id) => [id, document.getElementById(id)]),
    );
  }

  /** Shows the jobs of a snapshot. */
  show(jobs, time) {
    this.snapshot = { jobs, time };
    this.nodes["jobs-section"].hidden = jobs === null;
    if (jobs === null) return;
    const counts = Object.fromEntries(
      STATUSES.map((status) => [status, sum(Object.values(jobs.counts).map((route) => route[status] ?? 0))]),
    );
    const all = sum(Object.values(counts));
    this.#showFilters([["all", null, all], ...STATUSES.map((status) => [status, status, counts[status]])]);
    // Of one state there may be jobs that are not among the latest.
    if (this.status !== null && (this.counted !== JSON.stringify(counts) || !ENDED.has(this.status))) this.#load();
    this.counted = JSON.stringify(counts);
    this.#showList(jobs, this.status === null ? all : counts[this.status]);
  }

  #showFilters(filters) {
    const make = ([name, status]) => {
      const node = element("button", "filter");
      node.type = "button";
      node.append(element("span", "", name), " ", element("span", "filter-count"));
      node.addEventListener("click", () => this.#choose(status));
      return { node, count: node.lastElementChild };
    };
    list(this.nodes.filters, filters, ([name]) => name, make, (parts, [, status, count]) => {
      mark(parts.node, "aria-pressed", String(this.status === status));
      write(parts.count, number(count));
    });
  }

  #choose(status) {
    this.status = status;
    this.found = [];
    this.counted = "";
    this.show(this.snapshot.jobs, this.snapshot.time);
  }

  async #load() {
    const status = this.status;
    try {
      const found = await this.service.jobs(status);
      if (status !== this.status) return;
      this.found = found;
      this.show(this.snapshot.jobs, this.snapshot.time);
    } catch {
      // The stream shows what is wrong with the service.
    }
  }

  #showList(snapshot, count) {
    const jobs = this.status === null ? snapshot.latest : this.found;
    list(this.nodes.jobs, jobs, (job) => job.job_id, (job) => this.#make(job), (parts, job) => this.#update(parts, job));
    const none = this.status === null ? "No jobs yet." : `No job is ${this.status}.`;
    showText(this.nodes["jobs-empty"], snapshot.error ?? (count ? null : none));
    const note = jobs.length < count ? `The last ${jobs.length} of ${number(count)} are shown.` : null;
    showText(this.nodes["jobs-note"], note);
  }

  #make(job) {
    const parts = copy("job");
    const { slots } = parts;
    const short = job.job_id.slice(0, 8);
    write(slots.route, job.route);
    write(slots.id, short);
    slots.id.title = `Job ${job.job_id}`;
    showText(slots.request, job.request_id ?? null);
    slots.request.title = `Request ${job.request_id ?? ""}`;
    mark(slots.progress, "aria-label", `Progress of job ${short}`);
    mark(slots.cancel, "aria-label", `Cancel job ${short}`);
    mark(slots.result, "aria-label", `Result of job ${short}`);
    slots.cancel.addEventListener("click", () => this.#cancel(job.job_id));
    slots.result.addEventListener("click", () => this.#result(job.job_id));
    return parts;
  }

  #update({ node, slots }, job) {
    mark(node, "data-over", ENDED.has(job.status) ? "yes" : null);
    write(slots.status, job.status);
    mark(slots.status, "data-tone", TONES[job.status] ?? "idle");
    write(slots.says, job.error ?? job.message ?? "");
    slots.says.title = job.error ?? job.message ?? "";
    mark(slots.says, "data-tone", job.error && job.status === "failed" ? "bad" : null);
    if (slots.progress.value !== job.progress) slots.progress.value = job.progress;
    mark(slots.progress, "data-tone", TONES[job.status]);
    write(slots.percent, percent(job.progress));
    write(slots.when, when(job, this.snapshot.time));
    const hadFocus = document.activeElement === slots.cancel;
    slots.cancel.hidden = ENDED.has(job.status);
    slots.result.hidden = job.status !== "finished";
    // Who was about to cancel a job that has ended stays where they were.
    if (hadFocus && slots.cancel.hidden) (slots.result.hidden ? this.nodes.filters.firstElementChild : slots.result).focus();
  }

  async #cancel(id) {
    if (!(await this.dialogs.askToCancel(id))) return;
    try {
      const job = await this.service.cancel(id);
      this.announce(`Job ${id.slice(0, 8)} is ${ENDED.has(job.status) ? job.status : "told to stop"}`);
    } catch (error) {
      this.dialogs.showError(`Job ${id.slice(0, 8)} was not cancelled`, error.message);
    }
  }

  async #result(id) {
    try {
      this.dialogs.showResult(await this.service.status(id));
    } catch (error) {
      this.dialogs.showError(`Nothing is known of job ${id.slice(0, 8)}`, error.message);
    }
  }
}

/** Returns when a job came and how long it took, or takes, in words. */
function when({ metrics, status }, now) {
  const seconds = (time) => Math.max(0, now - Date.parse(time) / 1000);
  const came = `${span(seconds(metrics.created_at))} ago`;
  const tries = metrics.attempts > 1 ? `, ${plural(metrics.attempts, "attempt")}` : "";
  if (metrics.execution_time_s !== undefined) return `${came}, took ${duration(metrics.execution_time_s)}${tries}`;
  if (!ENDED.has(status) && metrics.started_at) return `${came}, running for ${span(seconds(metrics.started_at))}${tries}`;
  return came + tries;
}
