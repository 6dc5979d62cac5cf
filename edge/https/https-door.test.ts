import { afterEach, describe, expect, test } from 'vitest';
import { HeaderList, type ServerExchange } from '../../http/index.ts';
import { HOSTILE_BODIES, HOSTILE_HEADS } from '../../http/test-hostile-requests.ts';
import { dial, EDGE_NAME, openDoor, type Rig } from './test-door.ts';

const LANE = Buffer.from('example.com/https/cucm.example.com/8443').toString('base64url');
const HOST = `Host: ${EDGE_NAME}:8443\r\n`;
const get = (target: string, lines = ''): string => `GET ${target} HTTP/1.1\r\n${HOST}${lines}\r\n`;
const ok = { status: 200, reasonPhrase: 'OK', headers: new HeaderList() };

const rigs: Rig[] = [];
async function open(...args: Parameters<typeof openDoor>): Promise<Rig> {
  const rig = await openDoor(...args);
  rigs.push(rig);
  return rig;
}

afterEach(async () => {
  for (const { door } of rigs.splice(0)) {
    await door.close('test over');
    expect(door.stats()).toMatchObject({ requestsUnderWay: 0, cores: [] });
  }
});

describe('a request through the door', () => {
  test('reaches core with our headers and comes back with our TrackingID', async () => {
    const { door, core, record } = await open();
    const client = await dial(door);
    client.socket.write(
      get(`/${LANE}/cucm-uds/user/emusk?name=secret`, 'User-Agent: Jabber\r\nTrackingID: forged\r\n'),
    );
    const text = await client.until(/from core$/);
    expect(text).toBe('HTTP/1.1 200 OK\r\nTrackingID: uuid-1\r\nContent-Length: 9\r\n\r\nfrom core');
    expect(core.seen[0]?.lines).toEqual([
      `GET /${LANE}/cucm-uds/user/emusk?name=secret`,
      'Host: edge-1',
      'User-Agent: Jabber',
      'TrackingID: uuid-1',
      'X-Forwarded-For: 127.0.0.1',
      'Via: https/1.1 viaduct[edge-1]',
    ]);
    expect(record.lines[0]).toMatchObject({
      trackingId: 'uuid-1',
      clientTrackingId: 'forged',
      client: '127.0.0.1',
      domain: 'example.com',
      node: 'https://cucm.example.com:8443',
      path: '/cucm-uds/user/emusk',
      query: 'name=*',
      status: 200,
      bytesOut: 9,
    });
    client.socket.destroy();
  });

  test('the next one uses the same channel', async () => {
    const { door, core } = await open();
    const client = await dial(door);
    client.socket.write(get(`/${LANE}/a`) + get(`/${LANE}/b`));
    await client.until(/from core[^]*from core$/);
    expect(core.channels).toHaveLength(1);
    client.socket.destroy();
  });

  test('a body in chunks goes in as chunks and comes out with its length', async () => {
    const { door, core } = await open();
    core.answer = (exchange) => void exchange.body.collect(100).then((body) => exchange.respond(ok, body));
    const client = await dial(door);
    client.socket.write(
      `POST /${LANE}/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: t\r\n\r\n`,
    );
    expect(await client.until(/abcde$/)).toContain('Content-Length: 5\r\n');
    client.socket.destroy();
  });

  test('TLS: post-quantum exchange and HTTP/1.1 only', async () => {
    const { door } = await open();
    const client = await dial(door);
    expect(client.socket.getProtocol()).toBe('TLSv1.3');
    expect(client.socket.getEphemeralKeyInfo()).toBeDefined();
    client.socket.destroy();
  });
});

describe('lanes', () => {
  const encode = (text: string): string => Buffer.from(text).toString('base64url');
  const rows: [name: string, target: string, sent: string | number][] = [
    [
      'domain',
      `/${encode('example.com')}/get_edge_config?service_name=_cisco-uds`,
      `/${encode('example.com')}/get_edge_config?service_name=_cisco-uds`,
    ],
    [
      'slash at the end',
      `/${encode('example.com')}/get_edge_config/`,
      `/${encode('example.com')}/get_edge_config/`,
    ],
    ['capitals', `/${encode('Example.COM')}/x`, `/${encode('example.com')}/x`],
    ['padded', '/dGJ0cC5jb20=/x', '/dGJ0cC5jb20/x'],
    ['padded and encoded', '/dGJ0cC5jb20%3d/x', '/dGJ0cC5jb20/x'],
    ['empty segments', '//dGJ0cC5jb20//x//y', '/dGJ0cC5jb20/x/y'],
    ['unreserved encoded', '/dGJ0cC5jb20/%63ucm-uds', '/dGJ0cC5jb20/cucm-uds'],
    ['nothing', '/', 404],
    ['no lane', '/index.html', 404],
    ['two parts', `/${encode('a.b/https')}/x`, 404],
    ['other protocol', `/${encode('a.b/file/c.d/1')}/x`, 404],
    ['port out of range', `/${encode('a.b/https/c.d/65536')}/x`, 404],
    ['host with user', `/${encode('a.b/https/x@c.d/1')}/x`, 404],
    ['not canonical base64', '/dGJ0cC5jb21/x', 404],
  ];
  test.each(rows)('%s', async (_name, target, sent) => {
    const { door, core } = await open();
    const client = await dial(door);
    client.socket.write(get(target));
    const text = await client.until(/\r\n\r\n/);
    if (typeof sent === 'number') {
      expect(text).toMatch(new RegExp(`^HTTP/1.1 ${sent} [^]*Server: CE_E\r\n`));
      expect(core.seen).toEqual([]);
    } else expect(core.seen[0]?.exchange.request.target).toBe(sent);
    client.socket.destroy();
  });
});

describe('what a client may not say', () => {
  const names = [
    'X-Forwarded-For',
    'x-forwarded-host',
    'X_Forwarded_Proto',
    'X-Forwarded_User',
    'X.Forwarded.For',
    'Forwarded',
    'Via',
    'X-Client-Cert-Info',
    'X_Client_Cert_Info',
    'Client-ip',
    'CLIENT_IP',
    'TRACKINGID',
    'Tracking_ID',
    'X-Real-IP',
    'X-Original-URL',
    'X-HTTP-Method-Override',
    'X-Viaduct-User',
    'Remote_User',
    'SSL_CLIENT_CERT',
    'Keep-Alive',
    'Proxy-Authorization',
    'Proxy-Connection',
    'TE',
    'Upgrade',
    'HTTP2-Settings',
    'Trailer',
    'X-Listed',
  ];
  test('none of it reaches core', async () => {
    const { door, core } = await open();
    const client = await dial(door);
    const lines = names.map((name) => `${name}: forged\r\n`).join('');
    client.socket.write(
      get(`/${LANE}/a`, `${lines}Connection: Upgrade, X-Listed, keep-alive\r\nX-Fine: kept\r\n`),
    );
    await client.until(/from core$/);
    const lines_ = core.seen[0]?.lines ?? [];
    expect(lines_.filter((line) => line.includes('forged'))).toEqual([]);
    expect(lines_).toContain('X-Fine: kept');
    client.socket.destroy();
  });

  test('Authorization once only', async () => {
    const { door, core } = await open();
    const client = await dial(door);
    client.socket.write(get(`/${LANE}/a`, 'Authorization: a\r\nAuthorization: b\r\n'));
    expect(await client.until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 400 /);
    expect(core.seen).toEqual([]);
    client.socket.destroy();
  });

  test.each([
    ['another Host', { servername: EDGE_NAME }, 'cucm.example.com'],
    ['another name in the TLS hello', { servername: 'other.example.com' }, EDGE_NAME],
  ])('421: %s', async (_name, options, host) => {
    const { door, core } = await open();
    const client = await dial(door, options);
    client.socket.write(`GET /${LANE}/a HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect(await client.until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 421 /);
    expect(core.seen).toEqual([]);
    client.socket.destroy();
  });
});

describe('hostile bytes through TLS', () => {
  test('every head is answered, the connection closed, core sees nothing', async () => {
    const { door, core, record } = await open();
    for (const row of HOSTILE_HEADS) {
      const client = await dial(door);
      client.socket.write(Buffer.from(row.raw, 'latin1'));
      const text = await client.until(/\r\n\r\n/);
      expect(text, row.name).toMatch(new RegExp(`^HTTP/1.1 ${row.status} [^]*Connection: close\r\n\r\n$`));
      expect(record.refused.at(-1), row.name).toBe(row.reason);
      client.socket.end();
      await client.closed;
    }
    expect(core.seen).toEqual([]);
    expect(core.channels).toEqual([]);
  });

  test('every body ends at the door: core sees one request without end, never two', async () => {
    const { door, core } = await open();
    core.answer = (exchange) => exchange.body.discard();
    for (const row of HOSTILE_BODIES) {
      const client = await dial(door);
      const before = core.seen.length;
      client.socket.write(Buffer.from(row.raw, 'latin1'));
      expect(await client.until(/\r\n\r\n/), row.name).toMatch(new RegExp(`^HTTP/1.1 ${row.status} `));
      client.socket.end();
      await client.closed;
      expect(core.seen.length - before, row.name).toBeLessThanOrEqual(1);
      expect(
        core.seen.every(({ exchange }) => !exchange.body.complete),
        row.name,
      ).toBe(true);
    }
  });
});

describe('when one side goes away', () => {
  test('client gone before the answer: core hears of it and the channel is gone', async () => {
    const { door, core, record } = await open();
    core.answer = () => undefined;
    const client = await dial(door);
    client.socket.write(get(`/${LANE}/a`));
    await core.until(() => core.seen.length === 1);
    client.socket.destroy();
    await core.until(() => core.aborted.length === 1);
    expect(core.channels[0]?.destroyed).toBe(true);
    expect(record.lines[0]).toMatchObject({ status: 0, reason: 'cancelled' });
  });

  test('client gone in the middle of its body', async () => {
    const { door, core } = await open();
    core.answer = (exchange) => exchange.body.discard();
    const client = await dial(door);
    client.socket.write(`PUT /${LANE}/a HTTP/1.1\r\n${HOST}Content-Length: 100\r\n\r\nabc`);
    await core.until(() => core.seen.length === 1);
    client.socket.destroy();
    await core.until(() => core.aborted.length === 1);
  });

  test('core gone in the middle of its answer: the client sees it cut, not complete', async () => {
    const { door, core } = await open();
    core.answer = (exchange) => exchange.start(ok, 100).write(Buffer.from('half'));
    const client = await dial(door);
    client.socket.write(get(`/${LANE}/a`));
    await client.until(/half$/);
    core.channels[0]?.destroy();
    expect(await client.closed).toMatch(/half$/);
  });

  test('no core', async () => {
    const { door } = await open({ cores: () => [] });
    const client = await dial(door);
    client.socket.write(get(`/${LANE}/a`) + get(`/${LANE}/b`));
    expect(await client.until(/uuid-2[^]*\r\n\r\n$/)).toMatch(
      /^HTTP\/1.1 502 Next Hop Connection Failed\r\nServer: CE_E\r\nTrackingID: uuid-1\r\nContent-Length: 0\r\n\r\nHTTP/,
    );
    client.socket.destroy();
  });

  test('core does not open a channel', async () => {
    const { door, core } = await open();
    core.openFails = true;
    const client = await dial(door);
    client.socket.write(get(`/${LANE}/a`));
    expect(await client.until(/\r\n\r\n$/)).toMatch(/^HTTP\/1.1 502 Next Hop Connection Failed/);
    client.socket.destroy();
  });

  test('a pooled channel that died unseen: a GET is sent again, a POST is not', async () => {
    const { door, core } = await open();
    const client = await dial(door);
    client.socket.write(get(`/${LANE}/a`));
    await client.until(/from core$/);
    const drop = (exchange: ServerExchange): void => {
      core.answer = (next) => next.respond(ok, 'second try');
      core.channels.at(-1)?.destroy();
      void exchange;
    };
    core.answer = drop;
    client.socket.write(get(`/${LANE}/b`));
    await client.until(/second try$/);
    core.answer = drop;
    client.socket.write(`POST /${LANE}/c HTTP/1.1\r\n${HOST}Content-Length: 1\r\n\r\nx`);
    expect(await client.until(/ 502 [^]*\r\n\r\n$/)).toContain('Next Hop Connection Failed');
    client.socket.destroy();
  });

  test('draining: the one under way is finished, the next gets 503', async () => {
    const { door, core } = await open();
    let waiting: ServerExchange | undefined;
    core.answer = (exchange) => (waiting = exchange);
    const first = await dial(door);
    const second = await dial(door);
    first.socket.write(get(`/${LANE}/a`));
    await core.until(() => waiting !== undefined);
    const drained = door.drain();
    second.socket.write(get(`/${LANE}/b`));
    expect(await second.until(/\r\n\r\n$/)).toMatch(/^HTTP\/1.1 503 [^]*Retry-After: 7\r\n/);
    waiting?.respond(ok, 'finished');
    await drained;
    await first.until(/finished$/);
    first.socket.destroy();
    second.socket.destroy();
  });
});

describe('limits', () => {
  test('body announced too large: 413 before core hears of it', async () => {
    const { door, core } = await open();
    const client = await dial(door);
    client.socket.write(`PUT /${LANE}/a HTTP/1.1\r\n${HOST}Content-Length: 1000001\r\n\r\n`);
    expect(await client.until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 413 /);
    expect(core.seen).toEqual([]);
    client.socket.destroy();
  });

  test('connections per address', async () => {
    const { door, record } = await open({
      admission: { maxConnections: 10, maxConnectionsPerAddress: 1, maxHandshakes: 10, handshakeMs: 5000 },
    });
    const first = await dial(door);
    await expect(dialOnce(door.port)).resolves.toBe('closed');
    expect(record.counts.get('https.turned-away connections-per-address')).toBe(1);
    first.socket.destroy();
  });

  test('a handshake that never comes is ended by the deadline (T-142)', async () => {
    const { door, record } = await open({
      admission: { maxConnections: 10, maxConnectionsPerAddress: 10, maxHandshakes: 10, handshakeMs: 20 },
    });
    await expect(dialOnce(door.port)).resolves.toBe('closed');
    expect(record.counts.get('https.handshake-failed')).toBe(1);
  });

  test('banned', async () => {
    const { door, record } = await open({ admits: () => false });
    await expect(dialOnce(door.port)).resolves.toBe('closed');
    expect(record.counts.get('https.turned-away banned')).toBe(1);
  });
});

async function dialOnce(port: number): Promise<string> {
  const { connect } = await import('node:net');
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  return new Promise((resolve) => socket.on('close', () => resolve('closed')));
}
