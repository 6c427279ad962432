// The one dialog: a job's result, a question, or what went wrong.

import { showText, write } from "./dom.js";

/** Characters of a result that are shown. */
const SHOWN = 50_000;

const part = (name) => document.getElementById(name);

/** Shows a job's result. */
export function showResult(job) {
  const text = job.result === undefined ? "null" : JSON.stringify(job.result, null, 2);
  const cut = text.length > SHOWN;
  open(`Result of job ${job.job_id.slice(0, 8)}`, {
    text: cut ? `The first ${SHOWN.toLocaleString("en")} of ${text.length.toLocaleString("en")} characters.` : "",
    body: cut ? text.slice(0, SHOWN) : text,
    keep: "Close",
  });
}

/** Shows an error. */
export function showError(title, text) {
  open(title, { text, keep: "Close" });
}


/** Asks whether a job is to be cancelled, and returns the answer. */
export async function askToCancel(id) {
  const text = "It is taken out of the queue, or told to stop. What it has done so far is lost.";
  return (await open(`Cancel job ${id.slice(0, 8)}?`, { text, keep: "Keep it", go: true })) === "go";
}

/** Opens the dialog, and returns the word with which it is closed. */
function open(title, { text = "", body = "", keep, go = false }) {
  const dialog = part("dialog");
  write(part("dialog-title"), title);
  showText(part("dialog-text"), text);
  showText(part("dialog-body"), body);
  write(part("dialog-keep"), keep);
  part("dialog-go").hidden = !go;
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  part("dialog-body").scrollTop = 0;
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}

part("dialog-close").addEventListener("click", () => part("dialog").close());
part("dialog-keep").addEventListener("click", () => part("dialog").close());
part("dialog-go").addEventListener("click", () => part("dialog").close("go"));
part("dialog").addEventListener("click", (event) => {
  if (event.target === part("dialog")) part("dialog").close(); // beside it, on what it covers
});
