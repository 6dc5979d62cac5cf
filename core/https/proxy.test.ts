import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { randomCookieKey } from '../../auth/index.ts';
import { printLane } from '../../zones/lane.ts';
import { clusterDefaults } from '../unified-cm/test-uds.ts';
import { alice, answerAsUnifiedCm, basic, domainLane, openCore, type TestCore } from './test-core.ts';

let at: TestCore;
let cookie = '';
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);
const head = 'Host: edge1.example.com:8443\r\n';

beforeAll(async () => {
  at = await openCore();
  const answer = await at.get(`/${domainLane}/get_edge_config`, alice);
  cookie = `Cookie: ${/X-Auth=[\w-]+/.exec(answer)?.[0]}\r\n`;
});
afterAll(() => at.close());
beforeEach(() => {
  at.ucm.requests.length = 0;
  at.counted.length = 0;
  at.logged.length = 0;
});
afterEach(() => {
  at.ucm.answer = answerAsUnifiedCm;
});

describe('a permitted request', () => {
  test('reaches Unified CM in canonical form, with our marks and without our cookie', async () => {
    const id = '6af9a674-9ebc-41ea-868e-90e7309a758c';
    const sent =
      `${cookie.trim()}; JSESSIONID=7\r\n${alice}TrackingID: ${id}\r\nX-Forwarded-For: 192.0.2.7\r\n` +
      'Via: https/1.1 forged\r\nX_Forwarded_User: root\r\nConnection: X-Hop\r\nX-Hop: 1\r\nAccept: */*\r\n';
    const answer = await at.get(`/${at.lane()}//cucm-uds/user/%61lice/extensions?a=b%20c`, sent);
    expect(statusOf(answer)).toBe(200);
    const { headers, ...echo } = JSON.parse(bodyOf(answer)) as { headers: Record<string, string> };
    expect(echo).toEqual({ method: 'GET', target: '/cucm-uds/user/alice/extensions?a=b%20c', body: '' });
    expect(headers).toEqual({
      host: `ucm1.example.com:${at.ucm.port}`,
      cookie: 'JSESSIONID=7',
      authorization: alice.slice('Authorization: '.length, -2),
      trackingid: id,
      'x-forwarded-for': '192.0.2.7',
      via: 'https/1.1 viaduct[edge1.example.com], http/1.1 viaduct[core1.inside]',
      accept: '*/*',
    });
  });

  test('is one log line with user, rule and how it ended', async () => {
    await at.get(`/${at.lane()}/cucm-uds/user/alice/x?secret=1`, cookie + alice);
    expect(at.logged).toEqual([
      expect.objectContaining({
        event: 'Request Allowed',
        user: 'alice',
        domain: 'example.com',
        deployment: 'd',
        method: 'GET',
        request: `https://ucm1.example.com:${at.ucm.port}/cucm-uds/user/alice/x`,
        rule: '/cucm-uds/user/',
        match: 'prefix',
        type: 'Built-in rule for Unified CM server',
        status: 200,
      }),
    ]);
  });

  test('carries a body of known length and one in chunks', async () => {
    const target = `/${at.lane()}/cucm-uds/user/alice/x`;
    const known = `PUT ${target} HTTP/1.1\r\n${head}${cookie}${alice}Content-Length: 5\r\nConnection: close\r\n\r\nhello`;
    expect(bodyOf(await at.exchange(known))).toContain('"body":"hello"');
    const chunked = `POST ${target} HTTP/1.1\r\n${head}${cookie}${alice}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n`;
    expect(bodyOf(await at.exchange(chunked))).toContain('"body":"hello!"');
  });

  test('gets files over plain HTTP, without the password', async () => {
    const lane = at.lane({ protocol: 'http', port: at.files.port });
    expect(bodyOf(await at.get(`/${lane}/CSFALICE.cnf.xml`, cookie + alice))).toBe('<device/>');
    expect(at.files.requests.at(-1)?.headers.authorization).toBeUndefined();
  });

  test('may call the node by its pinned address', async () => {
    expect(statusOf(await at.get(`/${at.lane({ host: '127.0.0.1' })}/cucm-uds/version`, cookie))).toBe(200);
    expect(at.ucm.requests.at(-1)?.headers.host).toBe(`ucm1.example.com:${at.ucm.port}`);
  });

  test('gets the answer of the server as it is: 404, 401, no body', async () => {
    const target = `/${at.lane()}/cucm-uds/user/alice/x`;
    for (const status of [404, 401, 204, 304]) {
      at.ucm.answer = (_request, response) => void response.writeHead(status, { ETag: '"1"' }).end();
      const answer = await at.get(target, cookie);
      expect(statusOf(answer)).toBe(status);
      expect(answer).toContain('ETag: "1"');
    }
    const headOnly = await at.exchange(
      `HEAD ${target} HTTP/1.1\r\n${head}${cookie}${alice}Connection: close\r\n\r\n`,
    );
    expect(bodyOf(headOnly)).toBe('');
  });

  test('gets redirects as lanes', async () => {
    at.ucm.answer = (_request, response) =>
      void response.writeHead(302, { Location: 'https://ucm1.example.com:8443/ssosp/x' }).end();
    const answer = await at.get(`/${at.lane()}/ssosp/start`, cookie);
    expect(answer).toContain(`Location: /${at.lane({ port: 8443 })}/ssosp/x\r\n`);
    expect(answer).not.toContain('ucm1.example.com');
  });

  test('shares connections to the node with those before it', async () => {
    const before = at.ucm.connections();
    for (let i = 0; i < 5; i++) await at.get(`/${at.lane()}/cucm-uds/version`, cookie);
    expect(at.ucm.connections() - before).toBeLessThanOrEqual(1);
  });
});

describe('refused, and Unified CM sees nothing of it', () => {
  const rows: [name: string, path: () => string, headers: () => string, status: number, counted: string][] = [
    [
      'no credentials',
      () => `/${at.lane()}/cucm-uds/version`,
      () => '',
      401,
      'request-refused credentials-missing',
    ],
    [
      'a cookie that is only there',
      () => `/${at.lane()}/cucm-uds/version`,
      () => 'Cookie: X-Auth=1e1111e1-dddb-49e9-ad0d-ab34526e2b00\r\n',
      401,
      'request-refused cookie-invalid',
    ],
    [
      'the cookie of another deployment',
      () => `/${at.lane({ domain: 'branch.example.com' })}/cucm-uds/version`,
      () => cookie,
      401,
      'request-refused cookie-invalid',
    ],
    [
      "another user's credentials",
      () => `/${at.lane()}/cucm-uds/version`,
      () => cookie + basic('bob', 'x'),
      403,
      'request-refused identity-mismatch',
    ],
    [
      'two Authorization lines',
      () => `/${at.lane()}/cucm-uds/version`,
      () => cookie + alice + alice,
      401,
      'request-refused credentials-malformed',
    ],
    [
      "another user's resources",
      () => `/${at.lane()}/cucm-uds/user/bob/devices`,
      () => cookie,
      403,
      'request-refused other-user',
    ],
    [
      "another user's resources, encoded",
      () => `/${at.lane()}/cucm-uds/user/%62ob/devices`,
      () => cookie,
      403,
      'request-refused other-user',
    ],
    [
      'an unknown host',
      () => `/${at.lane({ host: 'db.example.com' })}/cucm-uds/version`,
      () => cookie,
      403,
      'request-refused node-unknown',
    ],
    [
      'this machine',
      () => `/${at.lane({ host: '127.0.0.2' })}/cucm-uds/version`,
      () => cookie,
      403,
      'request-refused node-unknown',
    ],
    [
      'metadata service',
      () => `/${at.lane({ host: '169.254.169.254', port: 80, protocol: 'http' })}/latest`,
      () => cookie,
      403,
      'request-refused node-unknown',
    ],
    [
      'another port',
      () => `/${at.lane({ port: 22 })}/`,
      () => cookie,
      403,
      'request-refused service-unknown',
    ],
    [
      'another protocol',
      () => `/${at.lane({ protocol: 'http' })}/cucm-uds/version`,
      () => cookie,
      403,
      'request-refused service-unknown',
    ],
    ['another path', () => `/${at.lane()}/ccmadmin/`, () => cookie, 403, 'request-refused path'],
    [
      'a path with a parameter',
      () => `/${at.lane()}/cucm-uds/user/alice;/x`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'dot segments',
      () => `/${at.lane()}/cucm-uds/user/alice/../bob`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'encoded dot segments',
      () => `/${at.lane()}/cucm-uds/user/alice/%2e%2e/bob`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'encoded slash',
      () => `/${at.lane()}/cucm-uds/user/alice%2f..%2fbob`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'double encoding',
      () => `/${at.lane()}/cucm-uds/user/%2562ob`,
      () => cookie,
      400,
      'message-refused target',
    ],
    ['NUL', () => `/${at.lane()}/cucm-uds/user/alice%00`, () => cookie, 400, 'message-refused target'],
    [
      'backslash',
      () => `/${at.lane()}/cucm-uds/user/alice%5c..%5cbob`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'a full-width slash',
      () => `/${at.lane()}/cucm-uds/user/alice%EF%BC%8F..`,
      () => cookie,
      400,
      'message-refused target',
    ],
    [
      'a lane with five parts',
      () => `/${Buffer.from('example.com/https/ucm1.example.com/8443/x').toString('base64url')}/`,
      () => cookie,
      404,
      'request-refused lane',
    ],
    [
      'a lane of an unknown domain',
      () =>
        `/${printLane({ kind: 'proxy', domain: 'other.org', protocol: 'https', host: 'ucm1.example.com', port: 8443 })}/cucm-uds/version`,
      () => cookie,
      403,
      'request-refused domain',
    ],
  ];
  test.each(rows)('%s', async (_name, path, headers, status, counted) => {
    const answer = await at.get(path(), headers());
    expect(statusOf(answer)).toBe(status);
    expect(at.counted).toContain(counted);
    expect(at.ucm.requests).toEqual([]);
    expect(answer).not.toMatch(/ucm1|10\.0\.|rule/);
  });

  test('the log names the rule that came nearest', async () => {
    await at.get(`/${at.lane()}/cucm-uds/vers`, cookie);
    expect(at.logged).toEqual([
      expect.objectContaining({
        event: 'Request Rejected',
        reason: 'path',
        rule: '/cucm-uds/version',
        status: 403,
      }),
    ]);
  });
});

describe('a captured edge (T-145)', () => {
  const target = (): string => `/${at.lane()}/cucm-uds/user/alice/x`;
  const rows: [name: string, text: () => string, status: number][] = [
    [
      'length and chunks',
      () =>
        `POST ${target()} HTTP/1.1\r\n${head}${cookie}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    [
      'two lengths',
      () => `POST ${target()} HTTP/1.1\r\n${head}${cookie}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd`,
      400,
    ],
    [
      'a signed length',
      () => `POST ${target()} HTTP/1.1\r\n${head}${cookie}Content-Length: +4\r\n\r\nabcd`,
      400,
    ],
    ['blank before the colon', () => `GET ${target()} HTTP/1.1\r\n${head}X-Forwarded-For : 1\r\n\r\n`, 400],
    ['a folded line', () => `GET ${target()} HTTP/1.1\r\n${head}A: b\r\n c\r\n\r\n`, 400],
    ['bare LF', () => `GET ${target()} HTTP/1.1\n${head}\n\n`, 400],
    ['no Host', () => `GET ${target()} HTTP/1.1\r\n\r\n`, 400],
    ['absolute form', () => `GET http://db.inside/${at.lane()}/x HTTP/1.1\r\n${head}\r\n`, 400],
    ['CONNECT', () => `CONNECT db.inside:22 HTTP/1.1\r\n${head}\r\n`, 405],
    ['HTTP/1.0', () => `GET ${target()} HTTP/1.0\r\n${head}\r\n`, 505],
    ['HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    [
      'a head beyond the limit',
      () => `GET ${target()} HTTP/1.1\r\n${head}A: ${'a'.repeat(140_000)}\r\n\r\n`,
      431,
    ],
  ];
  test.each(rows)('%s', async (_name, text, status) => {
    expect(statusOf(await at.exchange(text()))).toBe(status);
    expect(at.ucm.requests).toEqual([]);
    expect(at.counted.join()).toMatch(/message-refused/);
  });

  test('an upgrade is not passed on', async () => {
    const answer = await at.get(target(), `${cookie}${alice}Upgrade: h2c\r\nHTTP2-Settings: AAAA\r\n`);
    expect(statusOf(answer)).toBe(200);
    expect(bodyOf(answer)).not.toMatch(/upgrade|h2c|http2/i);
  });

  test('two requests on a channel are decided one by one', async () => {
    const good = `GET ${target()} HTTP/1.1\r\n${head}${cookie}${alice}\r\n`;
    const bad = `GET ${target()} HTTP/1.1\r\n${head}Connection: close\r\n\r\n`;
    const answers = await at.exchange(good + bad);
    expect(answers.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 401']);
  });
});

describe('a server inside that misbehaves', () => {
  const target = (): string => `/${at.lane()}/cucm-uds/user/alice/x`;
  test('cuts the answer off: so does the channel', async () => {
    at.ucm.answer = (request, response) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('half', () => request.socket.destroy());
    };
    const answer = await at.get(target(), cookie);
    expect(bodyOf(answer).length).toBeLessThan(100);
    expect(at.logged).toEqual([expect.objectContaining({ event: 'Request Failed' })]);
  });
  test('answers two ways at once: 502', async () => {
    at.ucm.answer = (request) => {
      request.socket.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      );
    };
    expect(statusOf(await at.get(target(), cookie))).toBe(502);
  });
  test('closes without an answer: 502', async () => {
    at.ucm.answer = (request) => void request.socket.destroy();
    expect(statusOf(await at.get(target(), cookie))).toBe(502);
  });
});

describe('whoever goes away takes the other side along', () => {
  test('the client in the middle of an answer', async () => {
    const closed = Promise.withResolvers<void>();
    at.ucm.answer = (_request, response) => {
      response.on('close', () => closed.resolve());
      response.writeHead(200, { 'Content-Length': 1_000_000 });
      response.write('begin');
    };
    const channel = at.channel();
    channel.write(`GET /${at.lane()}/cucm-uds/user/alice/x HTTP/1.1\r\n${head}${cookie}\r\n`);
    await once(channel, 'data');
    channel.destroy();
    await closed.promise;
    expect(at.logged).toEqual([expect.objectContaining({ event: 'Request Failed', status: 200 })]);
  });
  test('the client in the middle of its own body', async () => {
    const seen = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    at.ucm.answer = (request) => {
      request.on('error', () => undefined);
      request.on('close', () => closed.resolve());
      request.once('data', () => seen.resolve());
    };
    const channel = at.channel();
    channel.write(
      `PUT /${at.lane()}/cucm-uds/user/alice/x HTTP/1.1\r\n${head}${cookie}Content-Length: 1000\r\n\r\nabc`,
    );
    await seen.promise;
    channel.destroy();
    await closed.promise;
    expect(at.core.unifiedCm.nodes()[0]?.reach.state).toBe('up');
  });
});

test('a slow reader slows the server, in flat memory', async () => {
  const total = 64 * 1024 * 1024;
  let sent = 0;
  const full = Promise.withResolvers<void>();
  at.ucm.answer = (_request, response) => {
    response.writeHead(200, { 'Content-Length': total });
    const piece = Buffer.alloc(65_536);
    const more = (): void => {
      while (sent < total) {
        sent += piece.length;
        if (!response.write(piece)) {
          full.resolve();
          return void response.once('drain', more);
        }
      }
      response.end();
    };
    more();
  };
  const channel = at.channel();
  channel.pause();
  channel.write(
    `GET /${at.lane()}/cucm-uds/user/alice/x HTTP/1.1\r\n${head}${cookie}Connection: close\r\n\r\n`,
  );
  await full.promise;
  // Nothing is read: what the server could write fits into the buffers of sockets and ours, whatever the total.
  for (let i = 0, before = -1; before !== sent || i < 20; i++) {
    before = sent;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(sent).toBeLessThan(total / 2);
  let received = 0;
  channel.on('data', (piece: Buffer) => (received += piece.length));
  channel.resume();
  await once(channel, 'end');
  expect(received).toBeGreaterThanOrEqual(total);
});

test('a slow server slows the client, in flat memory', async () => {
  const arrived = Promise.withResolvers<IncomingMessage>();
  at.ucm.answer = (request) => arrived.resolve(request.pause());
  const channel = at.channel();
  const total = 64 * 1024 * 1024;
  channel.write(
    `PUT /${at.lane()}/cucm-uds/user/alice/x HTTP/1.1\r\n${head}${cookie}Content-Length: ${total}\r\n\r\n`,
  );
  const upstream = await arrived.promise;
  const piece = Buffer.alloc(65_536);
  let sent = 0;
  // A turn of the event loop without room in the channel, twenty times in a row, is a channel that has stopped.
  for (let stuck = 0; stuck < 20 && sent < total;) {
    if (channel.writableNeedDrain) stuck += 1;
    else {
      stuck = 0;
      sent += piece.length;
      channel.write(piece);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(sent).toBeLessThan(total / 2);
  const ended = new Promise<void>((resolve) => upstream.on('close', () => resolve()));
  upstream.on('error', () => undefined).resume();
  channel.destroy();
  await ended;
});

describe('a refused request with a body', () => {
  const refused = (length: number, more = ''): string =>
    `PUT /${at.lane()}/cucm-uds/user/bob/x HTTP/1.1\r\n${head}${cookie}${more}Content-Length: ${length}\r\n\r\n`;
  test('leaves the channel usable when the body is small', async () => {
    const next = `GET /${at.lane()}/cucm-uds/version HTTP/1.1\r\n${head}${cookie}Connection: close\r\n\r\n`;
    const answers = await at.exchange(`${refused(5)}hello${next}`);
    expect(answers.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 403', 'HTTP/1.1 200']);
  });
  test.each([
    ['large', () => refused(100_000)],
    ['waiting for permission', () => refused(5, 'Expect: 100-continue\r\n')],
  ])('ends the channel when the body is %s, without asking for it', async (_name, text) => {
    const answers = await at.exchange(text());
    expect(answers.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 403']);
  });
});

describe('a kept connection that the server has closed meanwhile', () => {
  const sockets = new Set<Socket>();
  const closeAll = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  /** Answers, and closes the connection as the next request arrives on it. */
  const answerOnce = (request: IncomingMessage, response: ServerResponse): void => {
    if (sockets.has(request.socket)) return closeAll();
    sockets.add(request.socket);
    response.end('fresh');
  };
  test.each([
    ['GET', 200],
    ['DELETE', 502],
  ])('%s gets %i', async (method, status) => {
    at.ucm.answer = answerOnce;
    const request = (word: string): string =>
      `${word} /${at.lane()}/cucm-uds/user/alice/x HTTP/1.1\r\n${head}${cookie}Connection: close\r\n\r\n`;
    await at.exchange(request('GET'));
    expect(statusOf(await at.exchange(request(method)))).toBe(status);
    closeAll();
  });
});

describe('discovery decides what exists', () => {
  test('before it has come through, an unknown node is 503 and not 403', async () => {
    const cookieKeys = [randomCookieKey()] as const;
    const good = await openCore({ cookieKeys });
    const login = await good.get(`/${domainLane}/get_edge_config`, alice);
    const session = `Cookie: ${/X-Auth=[\w-]+/.exec(login)?.[0]}\r\n`;
    const resolve = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
    const blind = await openCore({ cookieKeys, resolve, clusters: [clusterDefaults] });
    const unknown = await blind.get(
      `/${blind.lane({ host: 'ucm2.example.com', port: 8443 })}/cucm-uds/version`,
      session,
    );
    expect(unknown).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(unknown).toContain('Retry-After: 5\r\n');
    const publisher = await blind.get(`/${blind.lane({ port: 8443 })}/cucm-uds/version`, session);
    expect(publisher).toMatch(/^HTTP\/1\.1 502 connect failed\r\n/);
    await Promise.all([good.close(), blind.close()]);
  });
  test('what a name resolves to later changes nothing (T-110)', async () => {
    let address = '127.0.0.1';
    const core = await openCore({ resolve: async () => [address] });
    const login = await core.get(`/${domainLane}/get_edge_config`, alice);
    const session = `Cookie: ${/X-Auth=[\w-]+/.exec(login)?.[0]}\r\n`;
    address = '127.99.0.1';
    expect(statusOf(await core.get(`/${core.lane()}/cucm-uds/version`, session))).toBe(200);
    expect(statusOf(await core.get(`/${core.lane({ host: '127.99.0.1' })}/cucm-uds/version`, session))).toBe(
      403,
    );
    await core.close();
  });
  test('a node that has gone: 502 with the phrase clients know, and the log says why', async () => {
    const core = await openCore();
    const login = await core.get(`/${domainLane}/get_edge_config`, alice);
    const session = `Cookie: ${/X-Auth=[\w-]+/.exec(login)?.[0]}\r\n`;
    await core.ucm.close();
    const answer = await core.get(`/${core.lane()}/cucm-uds/version`, session);
    expect(answer).toMatch(/^HTTP\/1\.1 502 connect failed\r\n/);
    expect(core.logged.at(-1)).toMatchObject({ event: 'Request Failed' });
    expect(JSON.stringify(core.logged)).toContain('refuses connections');
    expect(core.core.unifiedCm.nodes()[0]?.reach.state).toBe('down');
    await core.close();
  });
});

test('drain ends idle channels', async () => {
  const core = await openCore();
  const idle = core.channel();
  const ended = once(idle, 'end');
  idle.resume();
  core.core.drain();
  await ended;
  expect(core.core.stats().channels).toBe(0);
  await core.close();
});

test('a fault of ours costs one request, is logged and counted', async () => {
  const core = await openCore({
    edgeOf: () => {
      throw new Error('no such edge');
    },
  });
  expect(await core.get(`/${domainLane}/get_edge_sso`)).toBe('');
  expect(core.counted).toContain('internal-fault');
  expect(core.logged).toContainEqual(expect.objectContaining({ event: 'Internal Fault' }));
  expect(statusOf(await core.get(`/${domainLane}/get_edge_config`))).toBe(401);
  await core.close();
});
