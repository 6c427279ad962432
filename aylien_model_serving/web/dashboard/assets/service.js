// The requests of the page, and the API key that they carry: the browser's password, or the reader's own.

const KEY = "model-serving-key";

/** The service's root: the page lies one step below it, whatever prefix a proxy puts before both. */
const ROOT = new URL(".", document.baseURI);

export const EVENTS = new URL("__dashboard/events", ROOT);

/** The API key, kept for this tab alone. */
export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
  /** Whether a header can carry a value: Latin-1 is all that it takes. */
  canBe: (value) => /^[\x21-\xff]+$/.test(value),
};

export function headers() {
  const value = key.get();
  return value ? { "X-API-Key": value } : {};
}

async function send(path, method = "GET") {
  const response = await fetch(new URL(path, ROOT), { method, headers: headers(), cache: "no-store" });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `The service answers ${response.status}`);
  return answer;
}

const inPath = encodeURIComponent;

export const service = {
  /** Returns the counts of the last minutes. */
  history: () => send("__dashboard/history"),
  /** Returns the latest jobs of one state. */
  jobs: async (status) => (await send(`jobs?limit=50&status=${inPath(status)}`)).jobs,
  /** Returns a job with its result. */
  status: (id) => send(`status/${inPath(id)}`),
  /** Has a job stopped, and returns it. */
  cancel: (id) => send(`cancel/${inPath(id)}`, "POST"),
};
