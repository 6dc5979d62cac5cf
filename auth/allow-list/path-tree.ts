// A radix tree over URL paths: finds every rule whose path is the given one or a prefix of it in the time it takes to
// read the path once, however many rules there are. Prefixes are of text, not of whole segments, as administrators
// know them from the product they come from.

interface Node<T> {
  /** The text between the parent and this node. */
  readonly edge: string;
  readonly children: Map<number, Node<T>>;
  readonly exact: T[];
  readonly prefix: T[];
}

export interface PathTree<T> {
  add(path: string, match: 'exact' | 'prefix', value: T): void;
  /** What matches `path`: exact first, then the longest prefix first. */
  matches(path: string): T[];
  /** The first value at or below the place where `path` leaves the tree: the rule that nearly matched. */
  nearest(path: string): T | undefined;
}

export function createPathTree<T>(): PathTree<T> {
  let root: Node<T> = createNode('');
  return {
    add(path, match, value) {
      root = grow(root, path, match, value);
    },
    matches: (path) => collect(root, path),
    nearest: (path) => firstBelow(leave(root, path)),
  };
}

function createNode<T>(edge: string): Node<T> {
  return { edge, children: new Map(), exact: [], prefix: [] };
}

/** Adds `path`, which begins where `node`'s edge does; returns the node to keep in its place. */
function grow<T>(node: Node<T>, path: string, match: 'exact' | 'prefix', value: T): Node<T> {
  const common = commonLength(node.edge, path);
  const kept = common === node.edge.length ? node : split(node, common);
  const rest = path.slice(common);
  if (rest === '') {
    kept[match].push(value);
    return kept;
  }
  const code = rest.charCodeAt(0);
  kept.children.set(code, grow(kept.children.get(code) ?? createNode(rest), rest, match, value));
  return kept;
}

function split<T>(node: Node<T>, at: number): Node<T> {
  const upper = createNode<T>(node.edge.slice(0, at));
  upper.children.set(node.edge.charCodeAt(at), { ...node, edge: node.edge.slice(at) });
  return upper;
}

function commonLength(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let length = 0;
  while (length < end && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length;
}

function collect<T>(root: Node<T>, path: string): T[] {
  const found: T[] = [];
  let node: Node<T> | undefined = root;
  let at = 0;
  while (node !== undefined && path.startsWith(node.edge, at)) {
    at += node.edge.length;
    if (node.prefix.length > 0) found.unshift(...node.prefix);
    if (at === path.length) {
      if (node.exact.length > 0) found.unshift(...node.exact);
      break;
    }
    node = node.children.get(path.charCodeAt(at));
  }
  return found;
}

function leave<T>(root: Node<T>, path: string): Node<T> {
  let node = root;
  let at = node.edge.length;
  while (at < path.length) {
    const next = node.children.get(path.charCodeAt(at));
    if (next === undefined) return node;
    if (!path.startsWith(next.edge, at)) return next;
    at += next.edge.length;
    node = next;
  }
  return node;
}

function firstBelow<T>(node: Node<T>): T | undefined {
  let at: Node<T> | undefined = node;
  while (at !== undefined) {
    const value = at.exact[0] ?? at.prefix[0];
    if (value !== undefined) return value;
    at = at.children.values().next().value;
  }
  return undefined;
}
