// The page: a stream of snapshots comes in, and each part shows what concerns it.

import * as dialogs from "./dialogs.js";
import { mark, showText, write } from "./dom.js";
import { Feed } from "./feed.js";
import { showGraph } from "./graph.js";
import { History, summary } from "./history.js";
import { Jobs } from "./jobs.js";
import { span } from "./numbers.js";
import { showFailures, showProcesses } from "./processes.js";
import { showRoutes } from "./routes.js";
import { showRunners } from "./runners.js";
import { EVENTS, headers, key, service } from "./service.js";
import { showTiles } from "./tiles.js";

/** Seconds of the longest window that can be chosen. */
const LONGEST = 900;

const WRONG_KEY = "This key is not one of the service's.";

const part = (name) => document.getElementById(name);
const history = new History(LONGEST);
const jobs = new Jobs(service, dialogs, announce);
const feed = new Feed({ url: EVENTS, headers, onData, onLost, onRefused });

let paused = false;

function announce(text) {
  write(part("announcer"), text);
}

/** Shows how the connection is; aloud only when that has changed. */
function showState(words, tone) {
  if (part("state").textContent !== words && part("state").dataset.tone !== "idle") announce(words);
  write(part("state"), words);
  mark(part("state"), "data-tone", tone);
}

function onData(snapshot) {
  showState("Live", "good");
  showText(part("notice"), null);
  part("numbers").hidden = false;
  if (history.add(snapshot)) show();
}

function show() {
  const { snapshot, waiting } = history.newest;
  const seconds = Number(document.querySelector("input[name=window]:checked").value);
  const found = summary(history, seconds);
  const name = snapshot.service ?? "Model service";
  write(part("service"), name);
  document.title = `${name} · dashboard`;
  write(part("instance"), `${snapshot.host} · process ${snapshot.process}`);
  const known = found.seconds ? `in the last ${span(found.seconds)}` : "gathering the first numbers";
  write(part("routes-window"), known);
  showTiles(found, snapshot, waiting, seconds);
  showRoutes(found.routes, seconds);
  showGraph(snapshot.calls, found.routes, found.runners);
  showRunners(found.runners, snapshot.jobs, seconds);
  jobs.show(snapshot.jobs, snapshot.time);
  showFailures(snapshot.failures, snapshot.time);
  showProcesses(found.processes);
}

function onLost(words) {
  showState("Reconnecting", "warn");
  const stale = history.newest ? "; the numbers below are the last that came" : "";
  showText(part("notice"), `${words}${stale}. Trying again.`);
}

function onRefused(status) {
  key.forget();
  signIn(status === 403 ? WRONG_KEY : "");
}

function signIn(error = "") {
  showState("Signed out", "idle");
  part("numbers").hidden = true;
  part("forget").hidden = true;
  part("pause").hidden = true;
  part("window").hidden = true;
  part("sign-in").hidden = false;
  showText(part("notice"), null);
  write(part("key-error"), error);
  part("key").focus();
}

function begin() {
  part("sign-in").hidden = true;
  part("forget").hidden = key.get() === null;
  part("pause").hidden = false;
  part("window").hidden = false;
  showState("Connecting", "idle");
  // Without them the page begins with what comes; the stream tells what is wrong.
  if (!history.newest) service.history().then((past) => history.restore(past), () => {});
  feed.start();
}

/** Follows the service while the page is visible and not paused. */
function follow() {
  if (part("sign-in").hidden === false) return;
  if (paused || document.hidden) feed.stop();
  else feed.start();
  if (paused) showState("Paused", "warn");
}

part("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const value = part("key").value.trim();
  part("key").value = "";
  if (!key.canBe(value)) return signIn(WRONG_KEY);
  key.set(value);
  begin();
});

part("forget").addEventListener("click", () => {
  key.forget();
  feed.stop();
  history.entries = [];
  signIn();
});

part("pause").addEventListener("click", () => {
  paused = !paused;
  mark(part("pause"), "aria-pressed", String(paused));
  write(part("pause"), paused ? "Resume" : "Pause");
  follow();
});

part("window").addEventListener("change", () => history.newest && show());
document.addEventListener("visibilitychange", follow);

begin();
