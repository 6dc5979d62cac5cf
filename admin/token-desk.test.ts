import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { answerTokens, type TokenDesk } from './token-desk.ts';

const ended: unknown[] = [];
const desk: TokenDesk = {
  list: async (user) => [{ id: 'abc', user: user ?? 'everybody' }],
  revoke: async (which) => {
    ended.push(which);
    return 'id' in which && which.id !== 'abc' ? 0 : 1;
  },
};
const ask = (method: string, url: string, header = '') =>
  answerTokens({ method, url, headers: { 'x-viaduct': header } } as unknown as IncomingMessage, desk);

test.each([
  ['GET', '/tokens', '', 200, /everybody/],
  ['GET', '/tokens?user=alice', '', 200, /alice/],
  ['POST', '/tokens/revoke?user=alice', '', 405, /read only/],
  ['POST', '/tokens/revoke?user=alice', 'unblock', 405, /read only/],
  ['POST', '/tokens/revoke?user=alice', 'revoke', 200, /1 token ended, and every session/],
  ['POST', '/tokens/revoke?id=abc', 'revoke', 200, /1 token ended/],
  ['POST', '/tokens/revoke?id=x', 'revoke', 404, /no token/],
  ['POST', '/tokens/revoke', 'revoke', 400, /name a user/],
  ['POST', '/tokens/revoke?id=abc&user=alice', 'revoke', 400, /name a user/],
] as const)('%s %s with %s', async (method, url, header, status, body) => {
  const answer = await ask(method, url, header);
  expect(answer?.status).toBe(status);
  expect(answer?.body).toMatch(body);
});

test('what is not its own is left alone', async () => {
  expect(await ask('GET', '/status')).toBeUndefined();
  expect(await ask('GET', '/tokens/revoke?user=alice', 'revoke')).toBeUndefined();
  expect(ended).toEqual([{ user: 'alice' }, { id: 'abc' }, { id: 'x' }]);
});
