import { describe, expect, it } from 'vitest';
import { NodeChoice } from './node-choice.ts';
import { UserSessions } from './user-sessions.ts';

const nodes = ['a', 'b', 'c'].map((name) => ({ name, address: undefined, trust: undefined }));
const order = (choice: NodeChoice, now: number): string =>
  choice
    .inOrder(now)
    .map(({ name }) => name)
    .join('');

describe('which server is tried first', () => {
  it('goes round', () => {
    const choice = new NodeChoice(nodes, 1000);
    expect([0, 0, 0, 0].map((now) => order(choice, now))).toEqual(['abc', 'bca', 'cab', 'abc']);
  });

  it('leaves one that failed for last, for a while or until it works', () => {
    const choice = new NodeChoice(nodes, 1000);
    choice.failed(nodes[1]!, 0);
    expect([order(choice, 1), order(choice, 2)]).toEqual(['acb', 'cab']);
    expect(order(choice, 1001)).toBe('cab');
    choice.failed(nodes[0]!, 2000);
    choice.worked(nodes[0]!);
    expect(order(choice, 2001)).toBe('abc');
  });

  it('still tries them all when all have failed', () => {
    const choice = new NodeChoice(nodes, 1000);
    for (const node of nodes) choice.failed(node, 0);
    expect(order(choice, 1)).toBe('abc');
  });

  it('has none where there is none', () => {
    expect(new NodeChoice([], 1).inOrder(0)).toEqual([]);
  });
});

describe('sessions of a user', () => {
  it('are counted, and a place is given back once', () => {
    const users = new UserSessions(2);
    const first = users.enter('a');
    expect(
      [users.enter('a'), users.enter('a'), users.enter('b')].map((leave) => leave !== undefined),
    ).toEqual([true, false, true]);
    first?.();
    first?.();
    expect([users.enter('a'), users.enter('a')].map((leave) => leave !== undefined)).toEqual([true, false]);
    expect(users.users).toBe(2);
  });

  it('leave nothing behind', () => {
    const users = new UserSessions(5);
    const leaves = Array.from({ length: 5 }, () => users.enter('a'));
    for (const leave of leaves) leave?.();
    expect(users.users).toBe(0);
  });
});
