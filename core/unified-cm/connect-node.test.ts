import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Deadlines } from '../../http/index.ts';
import { NodeConnectError, NodeDialer } from './connect-node.ts';
import { createFetch, createNodeConnections, type NodeConnections } from './node-connections.ts';
import type { NodeService } from './node.ts';
import { createTestAuthority, startTestNode, type TestAuthority, type TestTlsNode } from './test-tls-node.ts';

const day = 86_400_000;
const limits = {
  maxHeadBytes: 32_768,
  maxTargetBytes: 8192,
  maxHeaders: 100,
  maxHeaderNameBytes: 256,
  responseMs: 5000,
  bodyMs: 5000,
  writeMs: 5000,
  maxBufferedBytes: 65_536,
  maxInterim: 5,
};

let authority: TestAuthority;
let foreign: TestAuthority;
let node: TestTlsNode;
const open: { close(): unknown }[] = [];

beforeAll(async () => {
  authority = await createTestAuthority();
  foreign = await createTestAuthority();
  node = await startTestNode(await authority.issue('ucm1.example.com'), (_request, response) =>
    response.end('hello'),
  );
});
afterAll(async () => {
  for (const one of open) one.close();
  await node.close();
});

const service = (
  change: Partial<NodeService['node']> & { port?: number; protocol?: 'http' | 'https' } = {},
): NodeService => {
  const { port = node.port, protocol = 'https', ...rest } = change;
  return {
    node: {
      name: 'ucm1.example.com',
      cluster: 'c1',
      addresses: ['127.0.0.1'],
      trust: authority.certificate,
      ...rest,
    },
    protocol,
    port,
  };
};
const dialer = new NodeDialer({ connectMs: 5000, identity: undefined });
const connections = (change: { maxConnections?: number } = {}): NodeConnections => {
  const made = createNodeConnections({
    dialer,
    deadlines: new Deadlines(() => 0),
    limits,
    maxConnections: 8,
    maxWaiting: 100,
    waitMs: 5000,
    idleMs: 60_000,
    ...change,
  });
  open.push(made);
  return made;
};

async function failureOf(target: NodeService): Promise<string> {
  try {
    (await dialer.connect(target)).destroy();
    return 'connected';
  } catch (error) {
    expect(error).toBeInstanceOf(NodeConnectError);
    return (error as Error).message.replace(/:\d+ /, ' ');
  }
}

/** A port where `onConnection` decides what happens. */
async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer(onConnection);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe('the certificate decides (T-144)', () => {
  test('name and chain right: connected', async () => {
    expect(await failureOf(service())).toBe('connected');
  });
  test('chain right, name wrong', async () => {
    expect(await failureOf(service({ name: 'ucm2.example.com' }))).toMatch(
      /^ucm2\.example\.com has a certificate for another name: .*ucm2\.example\.com.*ucm1\.example\.com/,
    );
  });
  test('name right, chain of somebody else', async () => {
    expect(await failureOf(service({ trust: foreign.certificate }))).toMatch(/authority/);
  });
  test('a private authority is not trusted by default', async () => {
    expect(await failureOf(service({ trust: undefined }))).toMatch(/authority/);
  });
  test.each([
    ['expired', -3 * day, 'has a certificate that has expired'],
    ['not valid yet', 3 * day, 'has a certificate that is not valid yet: compare the clocks'],
  ])('%s', async (_name, offset, text) => {
    const identity = await authority.issue('ucm1.example.com', { from: Date.now() + offset });
    const other = await startTestNode(identity, (_request, response) => response.end());
    expect(await failureOf(service({ port: other.port }))).toBe(`ucm1.example.com ${text}`);
    await other.close();
  });
  test('an address as a name needs the address in the certificate', async () => {
    expect(await failureOf(service({ name: '127.0.0.1' }))).toMatch(
      /^127\.0\.0\.1 has a certificate for another name/,
    );
  });
  test('a remembered session of the right node does not let the wrong name in', async () => {
    for (let i = 0; i < 3; i++) expect(await failureOf(service())).toBe('connected');
    expect(await failureOf(service({ name: 'ucm3.example.com' }))).toMatch(/another name/);
  });
});

describe('other failures in words', () => {
  test('nobody listens', async () => {
    const port = await listen(() => undefined);
    const server = open.pop() as Server;
    await new Promise((resolve) => server.close(resolve));
    expect(await failureOf(service({ port }))).toBe(
      'ucm1.example.com refuses connections: is the service running and the port right?',
    );
  });
  test('no TLS there', async () => {
    const port = await listen((socket) => {
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    expect(await failureOf(service({ port }))).toBe('ucm1.example.com does not speak TLS on this port');
  });
  test('closed at once', async () => {
    const port = await listen((socket) => socket.destroy());
    expect(await failureOf(service({ port }))).toBe('ucm1.example.com closed the connection');
  });
  test('silence has an end', async () => {
    const port = await listen((socket) => open.push({ close: () => socket.destroy() }));
    const impatient = new NodeDialer({ connectMs: 20, identity: undefined });
    await expect(impatient.connect(service({ port }))).rejects.toThrow(/does not answer/);
  });
  test('no address', async () => {
    expect(await failureOf(service({ addresses: [] }))).toBe('ucm1.example.com has no address in DNS');
  });
});

test('the second address is tried when the first fails', async () => {
  expect(await failureOf(service({ addresses: ['127.99.0.1', '127.0.0.1'] }))).toBe('connected');
});

test('a connection goes to the pinned address, whatever the name resolves to (T-110)', async () => {
  // localhost resolves to this machine; the pin says where to go instead, and nobody is there.
  expect(await failureOf(service({ name: 'localhost', addresses: ['127.99.0.1'] }))).toMatch(
    /refuses connections/,
  );
});

describe('documents', () => {
  const fetch = createFetch(connections(), 1000);
  test('one connection serves one question after the other', async () => {
    const fetchAlone = createFetch(connections(), 1000);
    const before = node.connections();
    for (let i = 0; i < 3; i++)
      expect(await fetchAlone(service(), '/a', [])).toEqual({ status: 200, body: 'hello' });
    expect(node.connections() - before).toBe(1);
  });
  test('as many connections as allowed, the rest waits', async () => {
    const narrow = createFetch(connections({ maxConnections: 2 }), 1000);
    const before = node.connections();
    await Promise.all(Array.from({ length: 20 }, () => narrow(service(), '/a', [])));
    expect(node.connections() - before).toBe(2);
  });
  test('a document beyond the limit is refused and its connection closed', async () => {
    node.answer = (_request, response) => response.end('x'.repeat(1001));
    await expect(fetch(service(), '/big', [])).rejects.toThrow(/exceeds the limit/);
    node.answer = (_request, response) => {
      response.write('x'.repeat(900));
      response.end('x'.repeat(900));
    };
    await expect(fetch(service(), '/chunked', [])).rejects.toThrow(/exceeds the limit/);
    node.answer = (_request, response) => response.end('hello');
    expect(await fetch(service(), '/a', [])).toMatchObject({ body: 'hello' });
  });
  test('a node that cuts the answer off', async () => {
    node.answer = (request, response) => {
      response.writeHead(200, { 'Content-Length': 10 });
      response.write('half', () => request.socket.destroy());
    };
    await expect(fetch(service(), '/a', [])).rejects.toThrow(/^ucm1\.example\.com:/);
    node.answer = (_request, response) => response.end('hello');
  });
  test('a kept connection that the node has closed meanwhile is replaced in silence', async () => {
    const sockets: Socket[] = [];
    node.answer = (request, response) => {
      sockets.push(request.socket);
      response.end('hello');
    };
    const kept = createFetch(connections(), 1000);
    await kept(service(), '/a', []);
    for (const socket of sockets) socket.destroy();
    expect(await kept(service(), '/b', [])).toMatchObject({ body: 'hello' });
    node.answer = (_request, response) => response.end('hello');
  });
  test('a failure to connect says why', async () => {
    await expect(fetch(service({ trust: foreign.certificate }), '/a', [])).rejects.toThrow(/authority/);
  });
  test('the Host is the node, whatever address is used', async () => {
    await fetch(service(), '/host', []);
    expect(node.requests.at(-1)).toMatchObject({
      line: 'GET /host',
      headers: { host: `ucm1.example.com:${node.port}` },
    });
  });
});

test('pools of nodes that left are closed', async () => {
  const made = connections();
  const pool = made.pool(service());
  await createFetch(made, 1000)(service(), '/a', []);
  expect(pool.size).toBe(1);
  made.prune([]);
  expect(pool.size).toBe(0);
  expect(made.pool(service())).not.toBe(pool);
});

test('plain HTTP where the service is plain HTTP', async () => {
  const files = await startTestNode(undefined, (_request, response) => response.end('file'));
  const fetch = createFetch(connections(), 1000);
  expect(await fetch(service({ port: files.port, protocol: 'http' }), '/f.xml', [])).toMatchObject({
    body: 'file',
  });
  await files.close();
});
