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
