// Where the nodes of a graph without circles are drawn, and the lines between them. Pure.

/** Pixels. */
export const NODE = { width: 208, height: 72 };
const GAP = { across: 72, down: 20 };
const STEP = { across: NODE.width + GAP.across, down: NODE.height + GAP.down };
const MARGIN = 20;

/** Returns in which column each node stands, by its name: to the right of all that call it. */
export function depths(calls) {
  const names = [...new Set(Object.entries(calls).flatMap(([caller, called]) => [caller, ...called]))];
  const found = new Map();
  const depth = (name) => {
    const callers = names.filter((other) => calls[other]?.includes(name));
    if (!found.has(name)) found.set(name, 1 + Math.max(-1, ...callers.map(depth)));
    return found.get(name);
  };
  names.forEach(depth);
  return found;
}

/**
 * Returns the places of all nodes by their names, the lines between them, and how large the whole is.
 * A line that passes columns has a place in each of them, so that it passes no node.
 *
 * @param calls the names of what a node calls, by its name
 */
export function layout(calls) {
  const found = depths(calls);
  const chains = Object.entries(calls).flatMap(([caller, called]) => called.map((name) => chain(found, caller, name)));
  const columns = ordered(found, chains);
  const most = Math.max(...columns.map((column) => column.length));
  const height = 2 * MARGIN + most * STEP.down - GAP.down;
  const all = new Map();
  columns.forEach((column, across) => {
    const top = (height - (column.length * STEP.down - GAP.down)) / 2;
    column.forEach((name, down) => all.set(name, { x: MARGIN + across * STEP.across, y: top + down * STEP.down }));
  });
  const places = new Map([...found.keys()].map((name) => [name, all.get(name)]));
  const lines = chains.map((names) => line(names.map((name) => all.get(name))));
  return { places, lines, width: 2 * MARGIN + columns.length * STEP.across - GAP.across, height };
}

/** Returns the names along a line: of its ends, and of its places in the columns between them. */
function chain(found, caller, called) {
  const between = found.get(called) - found.get(caller) - 1;
  return [caller, ...Array.from({ length: between }, (_, place) => JSON.stringify([caller, called, place])), called];
}

/** Returns the columns, each in the order of those to its left that lead to it. */
function ordered(found, chains) {
  const columns = [];
  for (const [name, depth] of found) (columns[depth] ??= []).push(name);
  const before = new Map();
  for (const names of chains) {
    names.slice(1).forEach((name, place) => {
      before.set(name, [...(before.get(name) ?? []), names[place]]);
      if (!found.has(name)) columns[found.get(names[0]) + 1 + place].push(name);
    });
  }
  const rows = new Map();
  const weight = (name) => {
    const all = (before.get(name) ?? []).map((other) => rows.get(other));
    return all.length ? all.reduce((one, other) => one + other) / all.length : 0;
  };
  for (const column of columns) {
    column.sort((one, other) => weight(one) - weight(other)); // and else as they were: the sort is stable
    column.forEach((name, row) => rows.set(name, row - (column.length - 1) / 2));
  }
  return columns;
}

function line(places) {
  const level = (place) => place.y + NODE.height / 2;
  let [path, x, y] = ["", places[0].x + NODE.width, level(places[0])];
  places.slice(1).forEach((place, number) => {
    const isLast = number === places.length - 2;
    const [end, to] = [isLast ? place.x - 2 : place.x, level(place)];
    const middle = (x + end) / 2;
    path += `C${middle} ${y} ${middle} ${to} ${end} ${to}${isLast ? "" : `h${NODE.width}`}`;
    [x, y] = [place.x + NODE.width, to];
  });
  return `M${places[0].x + NODE.width} ${level(places[0])}${path}`;
}
