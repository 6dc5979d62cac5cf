// Which messaging server a session tries, in order: the next in turn first, those that failed lately last.
import type { XmppNode } from './core-xmpp-options.ts';

export class NodeChoice {
  readonly #nodes: readonly XmppNode[];
  readonly #avoidMs: number;
  /** Until when a node is tried last, by name. */
  readonly #avoided = new Map<string, number>();
  #turn = 0;

  constructor(nodes: readonly XmppNode[], avoidMs: number) {
    this.#nodes = nodes;
    this.#avoidMs = avoidMs;
  }

  /** Every node, the best first. */
  inOrder(now: number): readonly XmppNode[] {
    const start = this.#nodes.length === 0 ? 0 : this.#turn % this.#nodes.length;
    this.#turn += 1;
    const turned = [...this.#nodes.slice(start), ...this.#nodes.slice(0, start)];
    const isAvoided = ({ name }: XmppNode): boolean => (this.#avoided.get(name) ?? 0) > now;
    return [...turned.filter((node) => !isAvoided(node)), ...turned.filter(isAvoided)];
  }

  failed(node: XmppNode, now: number): void {
    this.#avoided.set(node.name, now + this.#avoidMs);
  }

  worked(node: XmppNode): void {
    this.#avoided.delete(node.name);
  }
}
