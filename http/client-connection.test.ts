import { duplexPair } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { type ClientLimits, HttpClientConnection } from './client-connection.ts';
import { ClientPool } from './client-pool.ts';
import { Deadlines } from './deadlines.ts';
import { HeaderList } from './header-list.ts';
import type { HttpError } from './http-error.ts';

const limits: ClientLimits = {
  maxHeadBytes: 4096,
  maxTargetBytes: 1024,
  maxHeaders: 20,
  maxHeaderNameBytes: 64,
  responseMs: 10_000,
  bodyMs: 5000,
  writeMs: 8000,
  maxBufferedBytes: 65_536,
  maxInterim: 2,
};
const get = (target: string, method = 'GET') => ({ method, target, host: 'h', headers: new HeaderList() });

/** What came of a request, in words. */
type Outcome = { status: number; body: string } | { status: number; cut: string } | { failed: string };

function rig() {
  const [near, far] = duplexPair();
  const clock = { now: 0 };
  const deadlines = new Deadlines(() => clock.now);
  const log: string[] = [];
  far.on('error', () => undefined);
  let sent = '';
  far.on('data', (chunk: Buffer) => (sent += chunk.toString('latin1')));
  const connection = new HttpClientConnection(near, {
    limits,
    deadlines,
    onIdle: () => log.push('idle'),
    onClose: () => log.push('closed'),
  });
  const ask = (target: string, method = 'GET'): Promise<Outcome> =>
    new Promise((resolve) => {
      connection.send(get(target, method), undefined, {
        onFailure: (error: HttpError) => resolve({ failed: error.reason }),
        onResponse: ({ status }, body) =>
          void body.collect(100_000).then(
            (bytes) => resolve({ status, body: bytes.toString() }),
            (error: HttpError) => resolve({ status, cut: error.reason }),
          ),
      });
    });
  return { far, connection, clock, deadlines, log, ask, sent: () => sent };
}

describe('answers', () => {
  const rows: [name: string, method: string, answer: string, outcome: Outcome, after: string][] = [
    ['length', 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', { status: 200, body: 'ok' }, 'idle'],
    [
      'chunks',
      'GET',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      { status: 200, body: 'ok' },
      'idle',
    ],
    ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', { status: 200, body: '' }, 'idle'],
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, body: '' }, 'idle'],
    [
      'after 100 and 103',
      'GET',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      { status: 200, body: '' },
      'idle',
    ],
    [
      'close',
      'GET',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
      { status: 200, body: 'ok' },
      'closed',
    ],
    [
      'HTTP/1.0',
      'GET',
      'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
      { status: 200, body: 'ok' },
      'closed',
    ],
    [
      'a second answer behind the first',
      'GET',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n',
      { status: 200, body: 'ok' },
      'closed',
    ],
    [
      'a body behind HEAD',
      'HEAD',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      { status: 200, body: '' },
      'closed',
    ],
    [
      '101',
      'GET',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
      { failed: 'bad-response' },
      'closed',
    ],
    [
      'interim without end',
      'GET',
      'HTTP/1.1 100 Continue\r\n\r\n'.repeat(3),
      { failed: 'bad-response' },
      'closed',
    ],
    [
      'both lengths',
      'GET',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n',
      { failed: 'framing' },
      'closed',
    ],
    [
      'chunks that are none',
      'GET',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      { status: 200, cut: 'chunk' },
      'closed',
    ],
    [
      'head too large',
      'GET',
      `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(5000)}\r\n\r\n`,
      { failed: 'head-too-large' },
      'closed',
    ],
  ];
  test.each(rows)('%s', async (_name, method, answer, outcome, after) => {
    const { far, ask, log } = rig();
    const asked = ask('/a', method);
    far.write(answer);
    expect(await asked).toEqual(outcome);
    await new Promise(setImmediate);
    expect(log).toEqual([after]);
  });

  test('until the connection closes', async () => {
    const { far, ask, log } = rig();
    const asked = ask('/a');
    far.end('HTTP/1.1 200 OK\r\n\r\nall of it');
    expect(await asked).toEqual({ status: 200, body: 'all of it' });
    await new Promise(setImmediate);
    expect(log).toEqual(['closed']);
  });

  test.each([
    ['before the answer', '', { failed: 'connection-lost' }],
    ['within the head', 'HTTP/1.1 20', { failed: 'truncated' }],
    [
      'within the body',
      'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf',
      { status: 200, cut: 'truncated' },
    ],
  ])('server gone %s', async (_name, answer, outcome) => {
    const { far, ask, log } = rig();
    const asked = ask('/a');
    far.end(answer);
    expect(await asked).toEqual(outcome);
    expect(log).toEqual(['closed']);
  });

  test('a sink that is full with the last piece does not stop the next answer', async () => {
    const { far, connection, ask } = rig();
    await new Promise<void>((resolve) => {
      connection.send(get('/a'), undefined, {
        onFailure: () => undefined,
        onResponse: (_head, body) =>
          body.pipe({ onDrain: undefined, write: () => false, end: resolve, abort: () => undefined }),
      });
      far.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    await new Promise(setImmediate);
    const asked = ask('/b');
    far.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain');
    expect(await asked).toEqual({ status: 200, body: 'again' });
  });

  test('bytes nobody asked for end an idle connection', async () => {
    const { far, connection } = rig();
    far.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    await new Promise(setImmediate);
    expect(connection.closed).toBe(true);
  });

  test('no answer in time', async () => {
    const { ask, clock, deadlines } = rig();
    const asked = ask('/a');
    clock.now = limits.responseMs;
    deadlines.sweep();
    expect(await asked).toEqual({ failed: 'response-timeout' });
    expect(deadlines.size).toBe(0);
  });

  test('a body of another length than announced is never sent as if it were whole', async () => {
    const { connection, sent } = rig();
    const { promise, resolve } = Promise.withResolvers<HttpError>();
    const sink = connection.start(get('/a', 'PUT'), 5, { onResponse: () => undefined, onFailure: resolve });
    sink.write(Buffer.from('abc'));
    sink.end();
    expect(await promise).toMatchObject({ reason: 'internal' });
    expect(connection.closed).toBe(true);
    expect(sent()).not.toContain('abcd');
  });
});

describe('pool', () => {
  function poolOf(maxConnections: number, maxWaiting: number) {
    const clock = { now: 0 };
    const deadlines = new Deadlines(() => clock.now);
    const fars: ReturnType<typeof duplexPair>[1][] = [];
    const pool = new ClientPool({
      open: () => {
        const [near, far] = duplexPair();
        far.on('error', () => undefined).resume();
        fars.push(far);
        return Promise.resolve(near);
      },
      limits,
      deadlines,
      maxConnections,
      maxWaiting,
      waitMs: 1000,
      idleMs: 4000,
    });
    const acquire = (): Promise<HttpClientConnection | string> =>
      new Promise((resolve) =>
        pool.acquire((connection, error) => resolve(connection ?? error?.reason ?? '')),
      );
    const finish = (connection: HttpClientConnection, far: (typeof fars)[number]): Promise<void> =>
      new Promise((resolve) => {
        connection.send(get('/a'), undefined, {
          onFailure: () => resolve(),
          onResponse: (_head, body) =>
            body.pipe({ onDrain: undefined, write: () => true, end: resolve, abort: () => resolve() }),
        });
        far.write('HTTP/1.1 204 No Content\r\n\r\n');
      });
    return { pool, acquire, finish, fars, clock, deadlines };
  }

  test('an idle connection is used again, a dead one is not', async () => {
    const { pool, acquire, finish, fars } = poolOf(5, 5);
    const first = (await acquire()) as HttpClientConnection;
    await finish(first, fars[0]!);
    expect(await acquire()).toBe(first);
    await finish(first, fars[0]!);
    fars[0]?.destroy();
    await new Promise(setImmediate);
    expect(await acquire()).not.toBe(first);
    expect(pool.size).toBe(1);
  });

  test('more than the limit wait, more than that are refused, waiting ends', async () => {
    const { pool, acquire, clock, deadlines } = poolOf(1, 1);
    const first = await acquire();
    expect(first).toBeInstanceOf(HttpClientConnection);
    const second = acquire();
    expect(await acquire()).toBe('overloaded');
    clock.now = 1000;
    deadlines.sweep();
    expect(await second).toBe('overloaded');
    expect(pool).toMatchObject({ size: 1, waiting: 0, full: true });
  });

  test('whoever waits gets the place of a connection that died', async () => {
    const { acquire, fars } = poolOf(1, 1);
    await acquire();
    const second = acquire();
    fars[0]?.destroy();
    expect(await second).toBeInstanceOf(HttpClientConnection);
  });

  test('idle connections end', async () => {
    const { pool, acquire, finish, fars, clock, deadlines } = poolOf(5, 5);
    await finish((await acquire()) as HttpClientConnection, fars[0]!);
    expect(pool).toMatchObject({ size: 1, idle: 1 });
    clock.now = 4000;
    deadlines.sweep();
    expect(pool).toMatchObject({ size: 0, idle: 0 });
  });
});
