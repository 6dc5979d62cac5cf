import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clusterDefaults } from '../unified-cm/test-uds.ts';
import { alice, basic, domainLane, openCore, type TestCore } from './test-core.ts';
import { printLane } from '../../zones/lane.ts';

let test_: TestCore;
beforeEach(async () => {
  test_ = await openCore();
});
afterEach(() => test_.close());
const config = `/${domainLane}/get_edge_config`;
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);
const headerOf = (answer: string, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, 'im').exec(answer.slice(0, answer.indexOf('\r\n\r\n')))?.[1];

describe('get_edge_config', () => {
  test('is challenged as clients know it', async () => {
    const answer = await test_.get(config);
    expect(statusOf(answer)).toBe(401);
    expect(headerOf(answer, 'Server')).toBe('CE_C ECS');
    expect(headerOf(answer, 'WWW-Authenticate')).toBe('Basic realm="Cisco-Edge"');
    expect(headerOf(answer, 'Set-Cookie')).toBeUndefined();
  });

  const elements = (services: string): string =>
    `<?xml version='1.0' encoding='UTF-8'?><getEdgeConfigResponse version="1.0"><serviceConfig>` +
    `<service><name>_cisco-phone-tftp</name><error>NameError</error></service>` +
    `<service><name>_cuplogin</name><error>NameError</error></service>` +
    `<service><name>_cisco-uds</name><server><priority>1</priority><weight>1</weight><port>8443</port>` +
    `<address>ucm1.example.com</address></server></service>${services}` +
    `<service><name>tftpServer</name><address>ucm1.example.com</address><address></address></service>` +
    `</serviceConfig><edgeConfig>` +
    `<sipEdgeServer><server><address>edge1.example.com</address><tlsPort>5061</tlsPort></server>` +
    `<server><address>edge2.example.com</address><tlsPort>5061</tlsPort></server></sipEdgeServer>` +
    `<sipRequest><route>&lt;sip:10.0.2.10:5061;transport=tls;zone-id=3;directed;lr&gt;</route></sipRequest>` +
    `<xmppEdgeServer><server><address>edge1.example.com</address><tlsPort>5222</tlsPort></server></xmppEdgeServer>` +
    `<httpEdgeServer><server><address>edge1.example.com</address><tlsPort>8443</tlsPort></server>` +
    `<server><address>edge2.example.com</address><tlsPort>8443</tlsPort></server></httpEdgeServer>` +
    `<turnEdgeServer/><userUdsServer><server><address>ucm1.example.com</address><tlsPort>PORT</tlsPort></server>` +
    `</userUdsServer></edgeConfig></getEdgeConfigResponse>`;

  test.each([
    ['with names of services', `${config}?service_name=_cisco-uds&service_name=_cuplogin`, ''],
    ['as room systems ask, with a slash', `${config}/`, ''],
    ['without slash or query', config, ''],
    [
      'with a name nobody knows',
      `${config}?service_name=_x&service_name=%3Cy%3E`,
      '<service><name>_x</name><error>NameError</error></service>',
    ],
  ])('%s', async (_name, path, services) => {
    const answer = await test_.get(
      path,
      `${alice}Cookie: JSESSIONIDSSO=34AF\r\nContent-Type: application/x-www-form-urlencoded\r\n`,
    );
    expect(statusOf(answer)).toBe(200);
    expect(headerOf(answer, 'Content-Type')).toBe('text/xml; charset=UTF-8');
    expect(bodyOf(answer)).toBe(
      elements(services)
        .replaceAll('<port>8443</port>', `<port>${test_.ucm.port}</port>`)
        .replace('PORT', String(test_.ucm.port)),
    );
  });

  test('a cookie comes along and is good for the lane', async () => {
    const answer = await test_.get(config, alice);
    const cookie = headerOf(answer, 'Set-Cookie') ?? '';
    expect(cookie).toMatch(
      /^X-Auth=[\w-]{64}; Expires=Fri, 20 Nov 2026 0\d:\d\d:\d\d GMT; Domain=\.example\.com; Path=\/; Secure; HttpOnly$/,
    );
    const value = cookie.slice(0, cookie.indexOf(';'));
    const lane = await test_.get(`/${test_.lane()}/cucm-uds/version`, `Cookie: ${value}\r\n`);
    expect(statusOf(lane)).toBe(200);
    expect(statusOf(await test_.get(config, `Cookie: ${value}\r\n`))).toBe(401);
    test_.clock.advance(1000);
    await test_.core.revoke('alice');
    expect(statusOf(await test_.get(`/${test_.lane()}/cucm-uds/version`, `Cookie: ${value}\r\n`))).toBe(401);
  });

  test('the request is logged with user and outcome, without secrets', async () => {
    await test_.get(`${config}?token=s3cret`, alice);
    const line = test_.logged.find(({ event }) => event === 'Request Allowed');
    expect(line).toMatchObject({
      user: 'alice',
      status: 200,
      request: '/get_edge_config',
      peer: 'edge1.example.com',
    });
    await test_.get(config, basic('mallory', 'guess'));
    expect(test_.logged.at(-1)).toMatchObject({
      event: 'Request Rejected',
      claimedUser: 'mallory',
      status: 401,
    });
    expect(JSON.stringify(test_.logged)).not.toMatch(/wonderland|s3cret|X-Auth=|Basic /);
  });
});

describe('refused', () => {
  const rows: [name: string, path: string, headers: string, status: number, reason: string][] = [
    ['wrong password', config, basic('alice', 'guess'), 401, 'sign-in-refused bad-credentials'],
    ['unknown user', config, basic('mallory', 'x'), 401, 'sign-in-refused unknown-user'],
    ['bearer', config, 'Authorization: Bearer x\r\n', 401, 'sign-in-refused scheme-unsupported'],
    [
      'two Authorization lines',
      config,
      alice + basic('bob', 'x'),
      401,
      'sign-in-refused credentials-malformed',
    ],
    [
      'unknown domain',
      `/${printLane({ kind: 'domain', domain: 'other.org' })}/get_edge_config`,
      alice,
      403,
      'request-refused domain',
    ],
    [
      'domain in other case',
      `/${Buffer.from('EXAMPLE.com').toString('base64url')}/get_edge_sso`,
      '',
      200,
      'request-allowed get-edge-sso',
    ],
    [
      'deployment without clusters',
      `/${printLane({ kind: 'domain', domain: 'branch.example.com' })}/get_edge_config`,
      alice,
      401,
      'sign-in-refused no-home-cluster',
    ],
    ['no lane', '/get_edge_config', alice, 404, 'request-refused lane'],
    ['root', '/', '', 404, 'request-refused lane'],
    ['unknown service', `/${domainLane}/fedlet`, alice, 404, 'request-refused service-unknown'],
    [
      'something below the service',
      `/${domainLane}/get_edge_config/x`,
      alice,
      404,
      'request-refused service-unknown',
    ],
  ];
  test.each(rows)('%s', async (_name, path, headers, status, counted) => {
    expect(statusOf(await test_.get(path, headers))).toBe(status);
    expect(test_.counted).toContain(counted);
  });

  test('an unknown domain is answered in the name of the edge', async () => {
    const answer = await test_.get(`/${printLane({ kind: 'domain', domain: 'other.org' })}/get_edge_sso`);
    expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\nServer: CE_E\r\n/);
    expect(headerOf(answer, 'Content-Length')).toBe('0');
  });

  test('another method', async () => {
    const post = `POST ${config} HTTP/1.1\r\nHost: e\r\n${alice}Content-Length: 2\r\nConnection: close\r\n\r\nab`;
    expect(statusOf(await test_.exchange(post))).toBe(405);
  });

  test('the ninth sign-in in five minutes, with the time to wait', async () => {
    for (let i = 0; i < 8; i++) expect(statusOf(await test_.get(config, alice))).toBe(200);
    const answer = await test_.get(config, alice);
    expect(statusOf(answer)).toBe(429);
    expect(Number(headerOf(answer, 'Retry-After'))).toBeGreaterThan(0);
  });
});

describe('401 says something about the credentials, 503 that nobody could be asked', () => {
  const broken: [name: string, breakIt: (core: TestCore) => Promise<void> | void, status: number][] = [
    ['all is well', () => undefined, 401],
    ['Unified CM is gone', (core) => core.ucm.close(), 503],
    [
      'Unified CM has an error',
      ({ ucm }) => void (ucm.answer = (_, response) => void response.writeHead(500).end()),
      503,
    ],
    [
      'Unified CM answers nonsense',
      ({ ucm }) => void (ucm.answer = (_, response) => void response.end('<html/>')),
      503,
    ],
    [
      'Unified CM cuts connections',
      ({ ucm }) => void (ucm.answer = (request) => void request.socket.destroy()),
      503,
    ],
  ];
  test.each(broken)('%s', async (_name, breakIt, status) => {
    await breakIt(test_);
    const answer = await test_.get(config, basic('alice', 'guess'));
    expect(statusOf(answer)).toBe(status);
    expect(headerOf(answer, 'WWW-Authenticate') !== undefined).toBe(status === 401);
    expect(headerOf(answer, 'Retry-After') !== undefined).toBe(status === 503);
  });

  test('its certificate is for another name', async () => {
    const other = await openCore({ clusters: [{ ...clusterDefaults, publisher: 'ucm9.example.com' }] });
    expect(statusOf(await other.get(config, alice))).toBe(503);
    await other.close();
  });

  test('confirmed credentials outlive an outage', async () => {
    expect(statusOf(await test_.get(config, alice))).toBe(200);
    await test_.ucm.close();
    expect(statusOf(await test_.get(config, alice))).toBe(200);
  });
});

test('get_edge_sso needs no credentials and offers what is on', async () => {
  const answer = await test_.get(`/${domainLane}/get_edge_sso?email=alice@example.com`);
  expect(statusOf(answer)).toBe(200);
  expect(headerOf(answer, 'Content-Type')).toBe('text/xml; charset=UTF-8');
  expect(bodyOf(answer)).toBe(
    `<?xml version='1.0' encoding='UTF-8'?><SSOResult version="1.0"><Response><SingleSignOn>` +
      `<Status enabled="false"/><Token enabled="false"/></SingleSignOn></Response></SSOResult>`,
  );
});
