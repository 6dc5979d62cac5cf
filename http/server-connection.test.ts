import { duplexPair } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Deadlines } from './deadlines.ts';
import { HeaderList } from './header-list.ts';
import type { HttpError } from './http-error.ts';
import { USUAL_METHODS } from './parse-request.ts';
import { HttpServerConnection, type ServerLimits } from './server-connection.ts';
import type { ServerExchange } from './server-exchange.ts';

const limits: ServerLimits = {
  maxHeadBytes: 2048,
  maxTargetBytes: 512,
  maxHeaders: 20,
  maxHeaderNameBytes: 64,
  methods: USUAL_METHODS,
  maxBodyBytes: 1000,
  idleMs: 60_000,
  headMs: 10_000,
  bodyMs: 20_000,
  minBodyBytes: 100,
  writeMs: 30_000,
  lingerBytes: 4096,
  lingerMs: 2000,
  maxBufferedBytes: 65_536,
  maxRequests: 5,
};

interface Rig {
  readonly client: ReturnType<typeof duplexPair>[0];
  readonly connection: HttpServerConnection;
  readonly refused: HttpError[];
  readonly clock: { now: number };
  readonly deadlines: Deadlines;
  readonly received: () => string;
  /** Resolves once what the client has received fits. */
  readonly until: (pattern: RegExp) => Promise<string>;
  readonly closed: Promise<void>;
}

function rig(onRequest: (exchange: ServerExchange) => void, changed: Partial<ServerLimits> = {}): Rig {
  const [client, server] = duplexPair();
  const clock = { now: 0 };
  const deadlines = new Deadlines(() => clock.now);
  const refused: HttpError[] = [];
  let text = '';
  const waiters = new Set<() => void>();
  client.on('error', () => undefined);
  client.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    for (const waiter of waiters) waiter();
  });
  const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
  const connection = new HttpServerConnection(server, {
    limits: { ...limits, ...changed },
    deadlines,
    serverName: 'test',
    onRequest,
    onRefused: (reason) => refused.push(reason),
    onClose,
  });
  const until = (pattern: RegExp): Promise<string> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!pattern.test(text)) return;
        waiters.delete(check);
        resolve(text);
      };
      waiters.add(check);
      check();
    });
  return { client, connection, refused, clock, deadlines, received: () => text, until, closed };
}

const ok = { status: 200, reasonPhrase: 'OK', headers: new HeaderList() };
const hello = (exchange: ServerExchange): void =>
  exchange.respond(ok, `${exchange.request.method} ${exchange.request.target}`);

describe('answers', () => {
  test('a request and its answer', async () => {
    const { client, until } = rig(hello);
    client.write('GET /a HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(await until(/\/a$/)).toBe('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nGET /a');
  });

  test('pipelined requests are answered one at a time and in order', async () => {
    const { client, until } = rig((exchange) => setImmediate(() => hello(exchange)));
    client.write(
      'GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n',
    );
    const text = await until(/\/c$/);
    expect(text.match(/GET \/./g)).toEqual(['GET /a', 'GET /b', 'GET /c']);
  });

  test('byte by byte', async () => {
    const { client, until } = rig((exchange) => {
      void exchange.body.collect(100).then((body) => exchange.respond(ok, body));
    });
    for (const byte of 'POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n')
      client.write(byte);
    expect(await until(/hello$/)).toContain('Content-Length: 5');
  });

  test('HEAD announces a length and sends nothing', async () => {
    const { client, until } = rig(hello);
    client.write('HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(await until(/\r\n\r\n/)).toBe('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n');
  });

  test('Connection: close closes', async () => {
    const { client, until, closed } = rig(hello);
    client.write('GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    expect(await until(/\/a$/)).toContain('Connection: close\r\n');
    client.end();
    await closed;
  });

  test('100-continue is sent when the body is wanted, not before', async () => {
    let exchange: ServerExchange | undefined;
    const { client, until, received } = rig((value) => (exchange = value));
    client.write('PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    await new Promise(setImmediate);
    expect(received()).toBe('');
    const body = exchange?.body.collect(10);
    await until(/100 Continue\r\n\r\n$/);
    client.write('ok');
    expect((await body)?.toString()).toBe('ok');
    exchange?.respond(ok, 'done');
    await until(/done$/);
  });
});

describe('refusals', () => {
  const status = (text: string): number => Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1]);

  test('413 for a length announced, and the handler never hears of it', async () => {
    const seen: string[] = [];
    const { client, until, refused } = rig((exchange) => seen.push(exchange.request.path));
    client.write('PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n');
    expect(status(await until(/\r\n\r\n/))).toBe(413);
    expect(seen).toEqual([]);
    expect(refused.map(({ reason }) => reason)).toEqual(['body-too-large']);
  });

  test('413 for chunks that add up, told to whoever reads the body', async () => {
    let failure: Promise<unknown> | undefined;
    const { client, until } = rig((exchange) => {
      failure = exchange.body.collect(5000).catch((error: unknown) => error);
    });
    client.write(
      `PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${'64\r\n'.concat('x'.repeat(100), '\r\n').repeat(11)}`,
    );
    expect(status(await until(/\r\n\r\n/))).toBe(413);
    expect(await failure).toMatchObject({ reason: 'body-too-large' });
  });

  test('what follows a refused message is not read as a request', async () => {
    const seen: string[] = [];
    const { client, until } = rig((exchange) => seen.push(exchange.request.path));
    client.write('GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(await until(/\r\n\r\n/)).toMatch(
      /^HTTP\/1.1 400 Bad Request\r\nServer: test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n$/,
    );
    await new Promise(setImmediate);
    expect(seen).toEqual([]);
  });

  test('405 names the methods that are allowed', async () => {
    const { client, until } = rig(hello);
    client.write('TRACE /a HTTP/1.1\r\nHost: h\r\n\r\n');
    expect(await until(/\r\n\r\n/)).toContain('Allow: GET, HEAD');
  });

  test('an answer before the end of the request is the last one', async () => {
    const { client, until, closed } = rig(hello);
    client.write('PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc');
    expect(await until(/PUT \/a$/)).toContain('Connection: close');
    client.end();
    await closed;
  });

  test('the last request a connection may bring is answered with close', async () => {
    const { client, until } = rig(hello, { maxRequests: 2 });
    client.write(
      'GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n',
    );
    const text = await until(/GET \/b$/);
    expect(text.match(/Connection: close/g)).toHaveLength(1);
  });
});

describe('time', () => {
  const rows: [name: string, sent: string, passesMs: number, refused: string, answer: RegExp][] = [
    ['nothing comes', '', 10_000, 'idle-timeout', /^$/],
    ['a head that does not end', 'GET / HT', 10_000, 'head-timeout', /^HTTP\/1.1 408 /],
    [
      'a body that does not come',
      'PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n',
      20_000,
      'body-timeout',
      /^HTTP\/1.1 408 /,
    ],
    [
      'a body of too few bytes',
      `PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n${'x'.repeat(99)}`,
      20_000,
      'body-timeout',
      /^HTTP\/1.1 408 /,
    ],
  ];
  test.each(rows)('%s', async (_name, sent, passesMs, reason, answer) => {
    const { client, clock, deadlines, refused, received, closed } = rig((exchange) =>
      exchange.body.discard(),
    );
    if (sent !== '') client.write(sent);
    await new Promise(setImmediate);
    clock.now = passesMs - 1;
    deadlines.sweep();
    expect(refused).toEqual([]);
    clock.now = passesMs;
    deadlines.sweep();
    expect(refused.map((error) => error.reason)).toEqual([reason]);
    await new Promise(setImmediate);
    expect(received()).toMatch(answer);
    clock.now += limits.lingerMs;
    deadlines.sweep();
    await closed;
    expect(deadlines.size).toBe(0);
  });

  test('a trickle keeps a body alive only while it brings enough', async () => {
    const { client, clock, deadlines, refused } = rig((exchange) => exchange.body.discard());
    client.write('PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 500\r\n\r\n');
    for (const [at, bytes] of [
      [15_000, 100],
      [30_000, 100],
      [45_000, 100],
    ] as const) {
      await new Promise(setImmediate);
      clock.now = at;
      deadlines.sweep();
      client.write('x'.repeat(bytes));
    }
    await new Promise(setImmediate);
    expect(refused).toEqual([]);
    clock.now = 65_000;
    deadlines.sweep();
    expect(refused.map((error) => error.reason)).toEqual(['body-timeout']);
  });

  test('a reader that reads nothing', async () => {
    const { client, clock, deadlines, refused, closed } = rig((exchange) =>
      exchange.respond(ok, Buffer.alloc(1_000_000)),
    );
    client.pause();
    client.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await new Promise(setImmediate);
    deadlines.sweep();
    clock.now = limits.writeMs;
    deadlines.sweep();
    await closed;
    expect(refused.map((error) => error.reason)).toEqual(['write-timeout']);
  });
});

describe('back-pressure', () => {
  test('a body flows only as fast as its sink takes it', async () => {
    let exchange: ServerExchange | undefined;
    const { client } = rig((value) => (exchange = value), { maxBodyBytes: 10_000_000 });
    client.write('PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n');
    for (let i = 0; i < 10; i++) client.write(Buffer.alloc(100_000));
    await new Promise(setImmediate);
    const taken: number[] = [];
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const sink = {
      onDrain: undefined as (() => void) | undefined,
      write: (piece: Buffer) => taken.push(piece.length) < 0,
      end: resolve,
      abort: () => undefined,
    };
    exchange?.body.pipe(sink);
    await new Promise(setImmediate);
    expect(taken).toHaveLength(1);
    sink.write = (piece: Buffer) => taken.push(piece.length) > 0;
    sink.onDrain?.();
    await ended;
    expect(taken.reduce((sum, bytes) => sum + bytes, 0)).toBe(1_000_000);
  });
});

describe('a request for another protocol (RFC 9110 §7.8)', () => {
  const UPGRADE = 'GET /w HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

  test('gives the stream away, untouched', async () => {
    const over = rig((exchange) => {
      expect(exchange.request.upgrade).toBe('websocket');
      expect(exchange.request.headers.has('upgrade')).toBe(false);
      over.connection.release();
      over.connection.stream.on('data', (chunk) => over.connection.stream.write(`echo ${String(chunk)}`));
    });
    over.client.write(UPGRADE);
    await over.closed;
    over.client.write('hello');
    expect(await over.until(/hello/)).toBe('echo hello');
    over.clock.now = 1e9;
    over.deadlines.sweep();
    expect(over.refused).toEqual([]);
  });

  test('cuts off who goes on before the answer', async () => {
    const over = rig(() => over.connection.release());
    const closed = new Promise((resolve) => over.connection.stream.once('close', resolve));
    over.client.write(`${UPGRADE}early`);
    await closed;
  });
});
