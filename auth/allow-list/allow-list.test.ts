import { describe, expect, test } from 'vitest';
import { canonicalPath } from '../../http/canonical-path.ts';
import { compileAllowList, type ListedNode, printRule } from './allow-list.ts';
import { builtInRules, fileShape } from './built-in-rules.ts';
import { type AllowRule, faultOf } from './rule.ts';

const ports = { web: 8443, files: 6970, filesTls: 6972, headset: 6971, unity: [443, 8443] };
const node = (name: string, kinds: ListedNode['kinds'], change: Partial<ListedNode> = {}): ListedNode => ({
  name,
  aliases: [name, '10.0.0.1'],
  kinds,
  cluster: 'c1',
  deployment: 'd',
  ...change,
});
const nodes = [
  node('ucm', ['unified-cm', 'tftp']),
  node('imp', ['im-presence'], { aliases: ['imp', '10.0.0.2'] }),
  node('cuc', ['unity'], { aliases: ['cuc', '10.0.0.3'] }),
  node('photos', ['web'], { aliases: ['photos', '10.0.0.4'] }),
  node('other', ['unified-cm'], { aliases: ['other'], cluster: 'c2', deployment: 'e' }),
];
const rule = (change: Partial<AllowRule>): AllowRule => ({
  type: 'photos of people',
  protocol: 'https',
  host: { name: 'photos' },
  port: 443,
  path: '/photos/',
  match: 'prefix',
  methods: ['GET'],
  ...change,
});
const list = compileAllowList([rule({}), ...builtInRules('c1', 'd', ports)], nodes);
const decide = (method: string, url: string, deployment = 'd') => {
  const { protocol, hostname, port, pathname } = new URL(url);
  const plain = protocol.slice(0, -1) as 'http' | 'https';
  const number = Number(port || (plain === 'http' ? 80 : 443));
  return list.decide({ deployment, protocol: plain, host: hostname, port: number, path: pathname, method });
};

describe('allowed', () => {
  test.each([
    ['GET', 'https://ucm:8443/cucm-uds/version'],
    ['HEAD', 'https://ucm:8443/cucm-uds/version'],
    ['GET', 'https://ucm:8443/cucm-uds/clusterUser?username=a'],
    ['PUT', 'https://ucm:8443/cucm-uds/user/alice/credentials'],
    ['GET', 'https://10.0.0.1:8443/cucm-uds/servers'],
    ['GET', 'http://ucm:6970/SPDefault.cnf.xml'],
    ['GET', 'http://ucm:6970/CSFalice.cnf.xml'],
    ['GET', 'https://ucm:6972/SEP001122334455.cnf.xml.enc.sgn'],
    ['GET', 'https://ucm:6972/ITLSEP001122334455.tlv'],
    ['GET', 'http://ucm:6970/German_Germany/gk-sip.jar'],
    ['GET', 'http://ucm:6970/CUPC/AppDialRules.xml'],
    ['GET', 'https://ucm:6971/headset-config.json'],
    ['POST', 'https://imp:8443/EPASSoap/service/v105'],
    ['DELETE', 'https://cuc/vmrest/messages/1'],
    ['GET', 'https://photos/photos/alice.jpg'],
  ])('%s %s', (method, url) => {
    expect(decide(method, url).outcome).toBe('listed');
  });
});

describe('refused', () => {
  const rows: [method: string, url: string, reason: string][] = [
    ['GET', 'https://unknown:8443/cucm-uds/version', 'node-unknown'],
    ['GET', 'https://169.254.169.254/latest/meta-data', 'node-unknown'],
    ['GET', 'https://127.0.0.1:8443/cucm-uds/version', 'node-unknown'],
    ['GET', 'https://other:8443/cucm-uds/version', 'node-unknown'],
    ['GET', 'http://ucm:8443/cucm-uds/version', 'service-unknown'],
    ['GET', 'https://ucm:22/', 'service-unknown'],
    ['GET', 'https://ucm:443/cucm-uds/version', 'service-unknown'],
    ['GET', 'https://imp:6972/SPDefault.cnf.xml', 'service-unknown'],
    ['GET', 'https://photos:8443/photos/x', 'service-unknown'],
    ['GET', 'https://ucm:8443/', 'path'],
    ['GET', 'https://ucm:8443/ccmadmin/', 'path'],
    ['GET', 'https://ucm:8443/axl/', 'path'],
    ['GET', 'https://ucm:8443/cucm-uds/versions', 'path'],
    ['GET', 'https://ucm:8443/cucm-uds/version/', 'path'],
    ['GET', 'https://ucm:8443/CUCM-UDS/user/alice', 'path'],
    ['GET', 'https://imp:8443/cucm-uds/user/alice', 'path'],
    ['GET', 'http://ucm:6970/', 'path'],
    ['GET', 'http://ucm:6970/etc/passwd', 'path'],
    ['GET', 'http://ucm:6970/.ssh/key.xml', 'path'],
    ['GET', 'https://photos/photo', 'path'],
    ['POST', 'https://ucm:8443/cucm-uds/version', 'method'],
    ['PUT', 'http://ucm:6970/SPDefault.cnf.xml', 'method'],
    ['PATCH', 'https://ucm:8443/cucm-uds/user/alice', 'method'],
    ['GET', 'https://imp:8443/EPASSoap/service', 'method'],
  ];
  test.each(rows)('%s %s: %s', (method, url, reason) => {
    expect(decide(method, url)).toMatchObject({ outcome: 'unlisted', reason });
  });
});

test('a refusal names the rule that came nearest', () => {
  expect(decide('GET', 'https://ucm:8443/cucm-uds/vers')).toMatchObject({
    nearest: { path: '/cucm-uds/version' },
  });
  expect(decide('POST', 'https://ucm:8443/cucm-uds/version').text).toContain('/cucm-uds/version exact GET');
});

test('an answer names rule and node', () => {
  expect(decide('GET', 'https://10.0.0.1:8443/cucm-uds/user/alice')).toMatchObject({
    outcome: 'listed',
    node: { name: 'ucm' },
    rule: { path: '/cucm-uds/user/', match: 'prefix', type: 'Built-in rule for Unified CM server' },
  });
});

test('a rule of one deployment does not reach another', () => {
  const only = compileAllowList([rule({ host: { name: 'other' }, deployment: 'd' })], nodes);
  const request = { protocol: 'https', host: 'other', port: 443, path: '/photos/x', method: 'GET' } as const;
  expect(only.decide({ ...request, deployment: 'e' }).outcome).toBe('unlisted');
  const everywhere = compileAllowList([rule({ host: { name: 'other' } })], nodes);
  expect(everywhere.decide({ ...request, deployment: 'e' }).outcome).toBe('listed');
});

test('the narrower rule is told where several permit', () => {
  const both = compileAllowList(
    [rule({ path: '/' }), rule({ path: '/photos/a', match: 'exact' }), rule({})],
    nodes,
  );
  const request = { deployment: 'd', protocol: 'https', host: 'photos', port: 443, method: 'GET' } as const;
  const path = (text: string) => both.decide({ ...request, path: text });
  expect(path('/photos/a')).toMatchObject({ rule: { match: 'exact' } });
  expect(path('/photos/b')).toMatchObject({ rule: { path: '/photos/' } });
  expect(path('/x')).toMatchObject({ rule: { path: '/' } });
});

test('an alias that two nodes claim stays with the first', () => {
  const twins = [
    node('a', ['web'], { aliases: ['a', '10.9.9.9'] }),
    node('b', ['web'], { aliases: ['b', '10.9.9.9'] }),
  ];
  const claimed = compileAllowList([rule({ host: { name: 'a' } }), rule({ host: { name: 'b' } })], twins);
  const request = {
    deployment: 'd',
    protocol: 'https',
    port: 443,
    path: '/photos/x',
    method: 'GET',
  } as const;
  expect(claimed.decide({ ...request, host: '10.9.9.9' })).toMatchObject({ node: { name: 'a' } });
});

describe('rules of the operator', () => {
  const canonical = (path: string): string | undefined => {
    try {
      return canonicalPath(path);
    } catch {
      return undefined;
    }
  };
  const rows: [name: string, change: Partial<AllowRule>, fault: RegExp | undefined][] = [
    ['good', {}, undefined],
    ['port 0', { port: 0 }, /port/],
    ['no slash', { path: 'photos' }, /slash/],
    ['query', { path: '/a?b' }, /query/],
    ['dot segments', { path: '/a/../b' }, /canonical/],
    ['double slash', { path: '/a//b' }, /canonical/],
    ['encoded letter', { path: '/%61' }, /canonical/],
    ['no method', { methods: [] }, /method/],
    ['unknown method', { methods: ['TRACE'] }, /TRACE/],
  ];
  test.each(rows)('%s', (_name, change, fault) => {
    const found = faultOf(rule(change), canonical);
    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(fault);
  });
  test('every built-in rule passes the same check', () => {
    expect(builtInRules('c', 'd', ports).map((one) => faultOf(one, canonical))).toEqual(
      builtInRules('c', 'd', ports).map(() => undefined),
    );
  });
});

test('a rule is printed on one line', () => {
  expect(printRule(rule({}))).toBe('https://photos:443/photos/ prefix GET');
});

describe('file names', () => {
  test.each([
    ['/XMLDefault.cnf.xml', true],
    ['/jabber-config.xml', true],
    ['/caconfig.json.sgn', true],
    ['/Desktops/320x212x16/List.xml', true],
    ['/My%20Ring.raw', true],
    ['/a', false],
    ['/..xml', false],
    ['/a/..xml', false],
    ['/a/.xml', false],
    ['/a.php', false],
    ['/a.xml/b', false],
    ['/a.xml%0A', false],
    ['/a/b/c/d/e/f.xml', false],
    [`/${'a'.repeat(200)}.xml`, false],
  ])('%s: %s', (path, expected) => {
    expect(fileShape.test(path)).toBe(expected);
  });
  test('a long hostile name is read in one pass', () => {
    // Nested repetition would need exponential time here; the test would never end.
    expect(fileShape.test(`/${'a.'.repeat(50_000)}`)).toBe(false);
    expect(fileShape.test('/a%20'.repeat(20_000))).toBe(false);
  });
});
