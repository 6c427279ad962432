// Server-sent events, read by fetch, which can send an API key as EventSource can't.

/** Milliseconds without a word after which a connection counts as lost. */
const SILENCE = 12_000;

/** Milliseconds between two tries, at most. */
const LONGEST_PAUSE = 10_000;

/** Takes pieces of an event stream, and gives back the events that they complete, as the standard has them. */
export class Parser {
  constructor() {
    this.rest = "";
  }

  /** Returns events: `data` is null where there was none, `retry` is in milliseconds. */
  take(text) {
    const blocks = (this.rest + text).replaceAll("\r\n", "\n").split("\n\n");
    this.rest = blocks.pop();
    return blocks.map(parse);
  }
}

function parse(block) {
  const event = { data: null, retry: null };
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === "data") event.data = event.data === null ? value : `${event.data}\n${value}`;
    if (field === "retry" && /^\d+$/.test(value)) event.retry = Number(value);
  }
  return event;
}

/** Follows a stream for as long as it is wanted: a stream that ends is requested again. */
export class Feed {
  /**
   * @param url of the stream
   * @param headers returns what each request carries
   * @param onData takes the parsed data of each event
   * @param onLost takes why nothing comes, in words
   * @param onRefused takes the status, 401 or 403, after which no request follows
   */
  constructor({ url, headers, onData, onLost, onRefused }) {
    Object.assign(this, { url, headers, onData, onLost, onRefused });
    this.ender = null;
  }

  start() {
    if (this.ender) return;
    this.ender = new AbortController();
    this.#follow(this.ender.signal);
  }

  stop() {
    this.ender?.abort();
    this.ender = null;
  }

  async #follow(wanted) {
    let [retry, failures] = [1000, 0];
    while (!wanted.aborted) {
      try {
        retry = (await this.#connect(wanted)) ?? retry;
        failures = 0;
      } catch (error) {
        if (wanted.aborted) return;
        if (error instanceof Refused) {
          this.stop();
          this.onRefused(error.status);
          return;
        }
        failures += 1;
        this.onLost(error instanceof Answered ? error.message : "The service does not answer");
      }
      await pause(Math.min(retry * 2 ** Math.max(0, failures - 1), LONGEST_PAUSE), wanted);
    }
  }

  /** Reads one stream to its end, and returns the milliseconds after which the next is to be requested. */
  async #connect(wanted) {
    const watch = new AbortController();
    const end = () => watch.abort();
    wanted.addEventListener("abort", end);
    let timer = setTimeout(end, SILENCE);
    try {
      const request = { headers: this.headers(), signal: watch.signal, cache: "no-store" };
      const reader = await open(this.url, request);
      const parser = new Parser();
      let retry = null;
      for (;;) {
        const { value, done } = await reader.read();
        clearTimeout(timer);
        if (done || wanted.aborted) return retry;
        timer = setTimeout(end, SILENCE);
        for (const event of parser.take(value)) {
          retry = event.retry ?? retry;
          if (event.data !== null) this.onData(JSON.parse(event.data));
        }
      }
    } finally {
      clearTimeout(timer);
      wanted.removeEventListener("abort", end);
    }
  }
}

class Refused extends Error {
  constructor(status) {
    super("refused");
    this.status = status;
  }
}

class Answered extends Error {}

async function open(url, request) {
  const response = await fetch(url, request);
  if (response.status === 401 || response.status === 403) throw new Refused(response.status);
  if (!response.ok) throw new Answered(`The service answers ${response.status}`);
  return response.body.pipeThrough(new TextDecoderStream()).getReader();
}

function pause(milliseconds, wanted) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      wanted.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    wanted.addEventListener("abort", end);
  });
}
