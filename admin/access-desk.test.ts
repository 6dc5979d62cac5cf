import { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { type AccessDesk, answerAccess, type RulesAnswer } from './access-desk.ts';

const heard: string[] = [];
const change = async (what: string): Promise<RulesAnswer> => {
  heard.push(what);
  if (what.includes('broken')) return { kind: 'faults', faults: [{ line: 2, text: 'is no URL' }] };
  if (what.includes('nowhere')) return { kind: 'not-found' };
  return what.includes('down') ? { kind: 'store-failed', cause: 'refused' } : { kind: 'done', rules: 1 };
};
const desk: AccessDesk = {
  bans: () => ({ blocked: ['address:192.0.2.1'] }),
  explain: async (question) => (question.has('user') ? { steps: [question.get('user')] } : undefined),
  explainToken: async (token) => ({ length: token.length }),
  rules: {
    list: () => ({ own: [] }),
    print: () => 'Url\r\n',
    replace: (csv) => change(`replace ${csv}`),
    add: (csv) => change(`add ${csv}`),
    remove: (url, deployment) => change(`remove ${url} ${deployment}`),
    test: (csv) => ({ csv }),
  },
};
const ask = (
  method: string,
  url: string,
  body = '',
  headers: object = { 'x-viaduct': 'change' },
  of = desk,
) =>
  answerAccess(
    Object.assign(Readable.from([Buffer.from(body)]), { method, url, headers }) as unknown as IncomingMessage,
    of,
  );

test.each([
  ['GET', '/bans', '', 200, /192\.0\.2\.1/],
  ['GET', '/explain?user=alice', '', 200, /alice/],
  ['GET', '/explain?what', '', 400, /trackingId/],
  ['POST', '/explain/token', ' secret\n', 200, /"length": 6/],
  ['GET', '/allow-list', '', 200, /own/],
  ['GET', '/allow-list/rules', '', 200, /^Url/],
  ['PUT', '/allow-list/rules', 'x', 200, /"rules": 1/],
  ['POST', '/allow-list/rules', 'broken', 422, /"line": 2/],
  ['POST', '/allow-list/rules', 'down', 503, /nothing was changed/],
  ['DELETE', '/allow-list/rules?url=https://x/&deployment=d', '', 200, /rules/],
  ['DELETE', '/allow-list/rules?url=nowhere', '', 404, /no rule/],
  ['DELETE', '/allow-list/rules', '', 400, /name the url/],
  ['POST', '/allow-list/test', 'x', 200, /"csv": "x"/],
  ['PUT', '/allow-list/rules', 'x'.repeat(8 * 1024 * 1024 + 1), 413, /may have/],
] as const)('%s %s is answered', async (method, url, body, status, text) => {
  const answer = await ask(method, url, body);
  expect(answer?.status).toBe(status);
  expect(answer?.body).toMatch(text);
});

test.each([
  ['PUT', '/allow-list/rules'],
  ['POST', '/allow-list/rules'],
  ['DELETE', '/allow-list/rules?url=https://x/'],
  ['POST', '/allow-list/test'],
  ['POST', '/explain/token'],
])('a page of another origin cannot %s %s', async (method, url) => {
  heard.length = 0;
  expect((await ask(method, url, 'x', {}))?.status).toBe(405);
  expect(heard).toEqual([]);
});

test.each([
  ['GET', '/status'],
  ['POST', '/bans'],
  ['PATCH', '/allow-list/rules'],
])('%s %s is left to others', async (method, url) => expect(await ask(method, url)).toBeUndefined());

test('an edge has neither rules nor tokens', async () => {
  const edge: AccessDesk = { bans: () => ({}), explain: async () => undefined };
  for (const [method, url] of [
    ['PUT', '/allow-list/rules'],
    ['POST', '/explain/token'],
    ['GET', '/allow-list'],
  ] as const)
    expect(await ask(method, url, '', undefined, edge)).toBeUndefined();
});
