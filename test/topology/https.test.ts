// curl outside, through NAT, firewalls, edge, SSH and core, to the node's web services inside.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCapture } from '../interop/capture.ts';
import { ADDRESS, DOMAIN, EDGE_NAME, UCM_NAME } from './addresses.ts';
import { curl, lane, signIn } from './curl.ts';
import { readInner } from './firewalls.ts';
import { canRun } from './requirements.ts';
import { setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';
import { until } from './until.ts';

const ALICE = 'alice:wonderland';
const MIB = 1024 * 1024;
const able = canRun('HTTPS through the topology', STAGE_PROGRAMS);

/** Resident memory of a process, in MiB. */
function residentMib(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

describe.skipIf(!able)('HTTPS', () => {
  let stage: Stage;
  let cookie = '';
  const domain = lane(DOMAIN);
  const uds = lane(`${DOMAIN}/https/${UCM_NAME}/8443`);
  const files = lane(`${DOMAIN}/http/${UCM_NAME}/6970`);
  const secureFiles = lane(`${DOMAIN}/https/${UCM_NAME}/6972`);

  beforeAll(async () => {
    stage = await setStage('https');
    ({ cookie } = await signIn(stage, ALICE));
  });

  afterAll(async () => stage?.close());

  test('whether single sign-on is offered can be asked before signing in', async () => {
    const answer = await curl(stage, `${domain}/get_edge_sso?email=alice@${DOMAIN}`);
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toMatch(/xml/);
  });

  test.each([
    ['as Jabber asks', 'get_edge_config?service_name=_cisco-uds&service_name=_cuplogin'],
    ['as an endpoint asks', 'get_edge_config/'],
  ])('settings %s: challenge, refusal, answer', async (_name, rest) => {
    const challenge = await curl(stage, `${domain}/${rest}`);
    expect(challenge.status).toBe(401);
    expect(challenge.headers['www-authenticate']).toBe('Basic realm="Cisco-Edge"');
    expect(challenge.headers['server']).toBe('CE_C ECS');
    expect((await curl(stage, `${domain}/${rest}`, { user: 'alice:wrong' })).status).toBe(401);
    expect((await curl(stage, `${domain}/${rest}`, { user: 'nobody:wrong' })).status).toBe(401);
    const answer = await curl(stage, `${domain}/${rest}`, { user: ALICE });
    expect(answer.status).toBe(200);
    expect(answer.body).toContain(
      `<sipEdgeServer><server><address>${EDGE_NAME}</address><tlsPort>5061</tlsPort>`,
    );
    expect(answer.body).toMatch(/<route>&lt;sip:[^;]+;transport=tls;zone-id=1;directed;lr&gt;<\/route>/);
    expect(answer.headers['set-cookie']).toMatch(
      /^X-Auth=[^;]{64}; Expires=[^;]+ GMT; Domain=\.example\.com; Path=\/; Secure; HttpOnly$/,
    );
  });

  test.each([
    ['own user', () => `${uds}/cucm-uds/user/alice`, 200, /<userName>alice/],
    ['own devices', () => `${uds}/cucm-uds/user/alice/devices`, 200, /CSFALICE/],
    ['file over HTTP', () => `${files}/CSFALICE.cnf.xml`, 200, /<deviceProtocol>SIP/],
    ['file over HTTPS', () => `${secureFiles}/jabber-config.xml`, 200, /<config/],
    ['missing file', () => `${files}/CSFNOBODY.cnf.xml`, 404, /^/],
    ["another one's user", () => `${uds}/cucm-uds/user/bob`, 403, /^/],
    ["another one's user, encoded", () => `${uds}/cucm-uds/user/%62ob`, 403, /^/],
    ['climbing path', () => `${uds}/cucm-uds/user/alice/../bob`, 400, /^/],
    ['path without a rule', () => `${uds}/axl/`, 403, /^/],
    ['port that is no service', () => `${lane(`${DOMAIN}/https/${UCM_NAME}/22`)}/x.xml`, 403, /^/],
    [
      'host nobody discovered',
      () => `${lane(`${DOMAIN}/https/phone.corp.test/8443`)}/cucm-uds/version`,
      403,
      /^/,
    ],
    ['domain nobody serves', () => `${lane('other.test')}/get_edge_config/`, 403, /^/],
  ])('with a cookie: %s', async (_name, target, status, body) => {
    const answer = await curl(stage, target(), { cookie, user: ALICE });
    expect(answer.status).toBe(status);
    expect(answer.body).toMatch(body);
  });

  test.each([
    ['no cookie', ''],
    ['an invented one', `X-Auth=${'A'.repeat(64)}`],
  ])('a lane needs more than %s', async (_name, shown) => {
    const answer = await curl(stage, `${files}/jabber-config.xml`, shown === '' ? {} : { cookie: shown });
    expect([401, 403]).toContain(answer.status);
  });

  test('the node sees neither the cookie nor headers a client made up', async () => {
    const headers = [
      'X-Forwarded-For: 1.2.3.4',
      'TrackingID: forged',
      'Via: forged',
      'X_Forwarded_For: 1.2.3.5',
    ];
    const before = stage.node.output().length;
    await curl(stage, `${files}/SPDefault.cnf.xml`, { cookie, headers });
    const seen = stage.node.output().slice(before);
    expect(seen).toContain('/SPDefault.cnf.xml');
    expect(seen).not.toContain(cookie.slice('X-Auth='.length));
    expect(seen).not.toMatch(/1\.2\.3\.[45]|"via":"forged|"trackingid":"forged/);
    expect(seen).toMatch(/"trackingid":"[0-9a-f-]{36}"/);
  });

  test('1 GiB comes down in flat memory', async () => {
    const pids = [stage.edge.pid, stage.core.pid];
    const before = pids.map(residentMib);
    const answer = await curl(stage, `${files}/1024-mib.bin`, { cookie, discard: true, timeoutSeconds: 120 });
    expect(answer).toMatchObject({ status: 200, bytes: 1024 * MIB });
    pids.forEach((pid, index) => expect(residentMib(pid) - (before[index] ?? 0)).toBeLessThan(150));
  });

  test('a client that leaves ends the request inside', async () => {
    const before = stage.node.output().length;
    await expect(
      curl(stage, `${files}/8000-mib.bin`, { cookie, discard: true, timeoutSeconds: 1 }),
    ).rejects.toThrow(/ended with 28/);
    await until('the node sees it close', () =>
      /closed after a part/.test(stage.node.output().slice(before)),
    );
  });

  test.each([
    ['TLS 1.2 is spoken', ['--tls-max', '1.2'], 401],
    ['HTTP/2 is not, and the client falls back', ['--http2'], 401],
    ['HTTP/1.0 is refused', ['--http1.0', '--no-alpn'], 505],
    [
      'a body framed twice is refused',
      ['-H', 'Transfer-Encoding: chunked', '-H', 'Content-Length: 3', '-d', 'abc'],
      400,
    ],
    ['a second Host is refused', ['-H', 'Host: edge.example.com', '-H', 'Host : other.test'], 400],
    ['an absolute target is refused', ['--request-target', 'http://ucm.corp.test:8443/'], 400],
  ])('%s', async (_name, words, status) => {
    expect((await curl(stage, `${domain}/get_edge_config/`, { words })).status).toBe(status);
  });

  test('TLS 1.1 gets no answer', async () => {
    const old = ['--tlsv1.0', '--tls-max', '1.1', '--ciphers', 'DEFAULT@SECLEVEL=0'];
    await expect(curl(stage, `${domain}/get_edge_config/`, { words: old })).rejects.toThrow(/ended with 35/);
  });

  test('nothing listens but the doors, and each only on its own side', () => {
    const edge = stage.ground.edge.run('ss', '-Hltun').split('\n').filter(Boolean);
    expect(new Set(edge.map((line) => line.split(/\s+/)[4]))).toEqual(
      new Set([
        `${ADDRESS.edgeExternal}:5061`,
        `${ADDRESS.edgeExternal}:8443`,
        `${ADDRESS.edgeInternal}:2222`,
        `${ADDRESS.edgeInternal}:2776`,
        `${ADDRESS.edgeInternal}:2777`,
        `${ADDRESS.edgeInternal}:7001`,
        '127.0.0.1:8090',
      ]),
    );
    const core = stage.ground.core.run('ss', '-Hltn').split('\n').filter(Boolean);
    const bound = new Set(core.map((line) => line.split(/\s+/)[3]));
    expect(bound).toEqual(new Set([`${ADDRESS.core}:5060`, '127.0.0.1:8090']));
  });

  test('what crosses between edge and core cannot be read', async () => {
    const capture = await startCapture(stage.keeper, {
      folder: stage.folder.path,
      at: stage.ground.inner,
      device: 'dmz',
      filter: 'tcp',
      name: 'link',
    });
    expect((await signIn(stage, ALICE)).answer.status).toBe(200);
    await capture.holds(2000);
    const seen = (await capture.stop()).toString('latin1');
    expect(seen).not.toMatch(/wonderland|Basic |HTTP\/1\.1|X-Auth|getEdgeConfig/);
  });

  test('a user who signs in too often is told to wait', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++) {
      const { answer } = await signIn(stage, 'bob:builder');
      statuses.push(answer.status);
      if (answer.status === 429) expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    expect(statuses[0]).toBe(200);
    expect(statuses.at(-1)).toBe(429);
  });

  test('when no node can be asked the answer is 503, not 401, and it heals with the node', async () => {
    await stage.node.stop('SIGKILL');
    const answer = await curl(stage, `${domain}/get_edge_config/`, { user: 'carol:secret' });
    expect(answer.status).toBe(503);
    const node = await stage.startAgain.node();
    const settled = async (): Promise<boolean> =>
      (await curl(stage, `${domain}/get_edge_config/`, { user: 'carol:secret' })).status === 401;
    await until('core asks the node again', settled, { deadlineMs: 10_000, everyMs: 200 });
    expect(node.output()).toMatch(/carol/);
  });

  test('nothing crossed the inner firewall inward but replies', () => {
    expect(readInner(stage.ground.inner)).toMatchObject({ inward: 0, notAllowedOutward: 0 });
  });
});
