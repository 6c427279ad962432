// Small helpers for a page whose nodes stay: what has the focus keeps it, and no text becomes markup.

/** Returns a copy of a template and its slots by name. */
export function copy(name) {
  const fragment = document.getElementById(`template-${name}`).content.cloneNode(true);
  const slots = {};
  for (const node of fragment.querySelectorAll("[data-slot]")) slots[node.dataset.slot] = node;
  return { node: fragment.firstElementChild, fragment, slots };
}

/** Sets a node's text, if it is another one. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute, if it is another one; null removes it. */
export function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Shows a text, and hides the node where there is none. */
export function showText(node, text) {
  write(node, text ?? "");
  node.hidden = !text;
}

export function element(name, classes = "", text = "") {
  const node = document.createElement(name);
  if (classes) node.className = classes;
  if (text) node.textContent = text;
  return node;
}

const kept = new WeakMap();

/**
 * Makes a node's children show a list. The child of an item stays the same, and is moved only if the order changes.
 *
 * @param make returns an item's parts, whose `node` is the child
 * @param update shows an item in its parts
 */
export function list(parent, items, keyOf, make, update) {
  const old = kept.get(parent) ?? new Map();
  const now = new Map(items.map((item) => [keyOf(item), old.get(keyOf(item)) ?? make(item)]));
  for (const [key, parts] of old) if (!now.has(key)) parts.node.remove();
  let place = parent.firstElementChild;
  for (const item of items) {
    const parts = now.get(keyOf(item));
    update(parts, item);
    if (parts.node === place) place = place.nextElementSibling;
    else parent.insertBefore(parts.node, place);
  }
  kept.set(parent, now);
}
