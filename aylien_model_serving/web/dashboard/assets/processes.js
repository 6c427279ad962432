// The processes of the service and what they use, and the last requests that failed.

import { copy, list, showText, write } from "./dom.js";
import { bytes, NOTHING, percent, span } from "./numbers.js";

/** Shows the processes; the column of GPUs only where one is used. */
export function showProcesses(processes) {
  document.getElementById("processes-section").hidden = !processes.length;
  const haveGpu = processes.some((process) => process.gpu !== undefined);
  document.getElementById("gpu-head").hidden = !haveGpu;
  list(document.getElementById("processes"), processes, (process) => process.pid, () => copy("process"), ({ slots }, process) => {
    write(slots.role, process.role);
    write(slots.pid, String(process.pid));
    write(slots.cpu, percentOfCpu(process.share));
    write(slots.memory, bytes(process.memory));
    write(slots.gpu, process.gpu === undefined ? NOTHING : bytes(process.gpu));
    slots.gpu.hidden = !haveGpu;
  });
}

/** Writes a share of one CPU, which several threads may exceed. */
function percentOfCpu(share) {
  return share !== null && share > 1 ? `${Math.round(share * 100)}\u00a0%` : percent(share);
}

/** Shows the last failures. */
export function showFailures(failures, now) {
  document.getElementById("failures-section").hidden = !failures.length;
  list(document.getElementById("failures"), failures, keyOf, make, ({ slots }, failure) => {
    write(slots.when, `${span(Math.max(0, now - failure.at))} ago`);
  });
}

function keyOf(failure) {
  return `${failure.at} ${failure.request_id}`;
}

function make(failure) {
  const parts = copy("failure");
  const { slots } = parts;
  write(slots.status, String(failure.status));
  write(slots.route, failure.route || failure.method);
  write(slots.request, failure.request_id);
  showText(slots.says, failure.kind ? [failure.kind, failure.place].filter(Boolean).join(", ") : null);
  return parts;
}
