// Counts → rates and percentiles, and how they are written. Pure: no page, no clock, no request.

const SPACE = "\u00a0"; // between a number and its unit, which stay on one line

/** What a value is written as while nothing is known of it. */
export const NOTHING = "–";

/** Returns how much each count has grown; a count that is missing was nothing. */
export function minus(newer, older = []) {
  return newer.map((count, place) => count - (older[place] ?? 0));
}

export function plus(one, other) {
  return one.length >= other.length
    ? one.map((count, place) => count + (other[place] ?? 0))
    : plus(other, one);
}

export function sum(counts) {
  return counts.reduce((total, count) => total + count, 0);
}

/** Returns the sum of an object's values. */
export function total(table = {}) {
  return sum(Object.values(table));
}

/**
 * Estimates a quantile as Prometheus's histogram_quantile does: evenly within a bucket.
 *
 * Where the lowest or the highest bucket has it, its bound is all that is known: `side` is "below" or "above".
 * Returns null without observations.
 *
 * @param share from 0 to 1
 * @param bounds upper bounds of all buckets but the last one
 * @param counts observations in each bucket
 */
export function quantile(share, bounds, counts) {
  const rank = share * sum(counts);
  if (!(sum(counts) > 0) || !bounds.length) return null;
  let before = 0;
  let place = 0;
  while (place < bounds.length && (counts[place] === 0 || before + counts[place] < rank)) {
    before += counts[place];
    place += 1;
  }
  if (place === 0) return { value: bounds[0], side: "below" };
  if (place === bounds.length) return { value: bounds.at(-1), side: "above" };
  const [low, high] = [bounds[place - 1], bounds[place]];
  return { value: low + (high - low) * ((rank - before) / counts[place]), side: "within" };
}

/** Returns a part of a whole, null where there is no whole. */
export function share(part, whole) {
  return whole > 0 ? part / whole : null;
}

/** Writes a number with about three digits. */
export function number(value) {
  if (value === null || !Number.isFinite(value)) return NOTHING;
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return new Intl.NumberFormat("en", { maximumFractionDigits: digits }).format(value);
}

/** Writes a rate: always with the same number of decimals below 100, so that it does not jump. */
export function rate(value) {
  if (value === null || !Number.isFinite(value)) return NOTHING;
  const digits = value >= 100 ? 0 : 1;
  if (value > 0 && value < 0.05) return "<0.1";
  return new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

export function percent(value) {
  if (value === null) return NOTHING;
  const hundredth = value * 100;
  if (hundredth > 0 && hundredth < 0.1) return `<0.1${SPACE}%`;
  const digits = hundredth > 0 && hundredth < 10 ? 1 : 0;
  // 99.96 % is not all of them.
  const shown = hundredth < 100 ? Math.min(hundredth, digits ? 9.9 : 99) : 100;
  return `${shown.toFixed(digits)}${SPACE}%`;
}

/** Writes a number of bytes. */
export function bytes(count) {
  const place = Math.min(3, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${number(count / 1024 ** place)}${SPACE}${["B", "KiB", "MiB", "GiB"][place]}`;
}

/** Writes a duration given in seconds. */
export function duration(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return NOTHING;
  if (seconds < 0.9995) {
    const milliseconds = seconds * 1000;
    return `${milliseconds.toFixed(milliseconds >= 9.95 ? 0 : 1)}${SPACE}ms`;
  }
  if (seconds < 59.95) return `${seconds.toFixed(seconds >= 9.95 ? 1 : 2)}${SPACE}s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)}${SPACE}min ${whole % 60}${SPACE}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}${SPACE}h ${Math.floor((whole % 3600) / 60)}${SPACE}min`;
  return `${Math.floor(whole / 86400)}${SPACE}d ${Math.floor((whole % 86400) / 3600)}${SPACE}h`;
}

/** Writes a time that is counted in whole seconds. */
export function span(seconds) {
  return seconds < 60 ? `${Math.floor(seconds)}${SPACE}s` : duration(seconds);
}

/** Writes a quantile of seconds, with a sign where only a bound of it is known. */
export function latency(found) {
  if (found === null) return NOTHING;
  const sign = { below: "<", above: ">", within: "" }[found.side];
  return sign + (found.side === "within" ? duration(found.value) : bare(found.value));
}

function bare(seconds) {
  return seconds < 1 ? `${number(seconds * 1000)}${SPACE}ms` : `${number(seconds)}${SPACE}s`;
}

/** Returns "1 call", "2 calls". */
export function plural(count, word) {
  return `${number(count)} ${word}${count === 1 ? "" : "s"}`;
}
