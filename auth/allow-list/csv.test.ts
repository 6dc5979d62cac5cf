import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileAllowList } from './allow-list.ts';
import { readOwnRule, readRuleUrl, RuleError } from './own-rule.ts';
import { nodesOfRules } from './rule-hosts.ts';
import { deploymentsInCsv, readRulesCsv, rulesHeading } from './rules-csv.ts';
import { readTestsCsv, runTests, testsHeading } from './tests-csv.ts';

// The examples of the MRA deployment guide X14.3, pages 127 and 128, byte for byte.
const guideRules = `Url,Deployment,HttpMethods,MatchType,Description
https://myServer1:8443/myPath1,myDomain1,GET,, "First Rule"
http://myServer2:8000/myPath2,myDomain200,"GET,PUT",exact,
https://myServer3:8080/myPath3,myDomain1,,prefix,"Third Rule"
https://myServer4/myPath4,myDomain1,,prefix,"Fourth Rule"
http://myServer5/myPath5,myDomain1,,prefix,"Fifth Rule"
`;
const guideTests = `Url,ExpectedResult,Deployment,Description,HttpMethod
https://myServer1:8443/myPath1,block,"my deployment","a block test",GET
http://myServer2:8000/myPath2,allow,"my deployment","an allow test",PUT
https://myServer4/myPath4,allow,,,GET
http://myServer4/myPath4,block,,,POST
`;
const deployments = ['default', 'myDomain1', 'myDomain200', 'my deployment'];
const defaults = { deployments, methods: ['OPTIONS', 'GET', 'HEAD'] };
const head = `${rulesHeading.join(',')}\n`;
const testHead = `${testsHeading.join(',')}\n`;
const rulesOf = (text: string, change: Partial<typeof defaults> = {}) =>
  readRulesCsv(text, { ...defaults, ...change });

describe("the guide's examples", () => {
  test('rules', () => {
    const usual = ['OPTIONS', 'GET', 'HEAD'];
    const rows = rulesOf(guideRules);
    expect(rows.faults).toBeUndefined();
    expect('rules' in rows && rows.rules.map((r) => Object.values(r))).toEqual([
      [
        'Own rule: First Rule',
        'https',
        { name: 'myserver1' },
        8443,
        '/myPath1',
        'prefix',
        ['GET'],
        'myDomain1',
      ],
      ['Own rule', 'http', { name: 'myserver2' }, 8000, '/myPath2', 'exact', ['GET', 'PUT'], 'myDomain200'],
      [
        'Own rule: Third Rule',
        'https',
        { name: 'myserver3' },
        8080,
        '/myPath3',
        'prefix',
        usual,
        'myDomain1',
      ],
      [
        'Own rule: Fourth Rule',
        'https',
        { name: 'myserver4' },
        443,
        '/myPath4',
        'prefix',
        usual,
        'myDomain1',
      ],
      ['Own rule: Fifth Rule', 'http', { name: 'myserver5' }, 80, '/myPath5', 'prefix', usual, 'myDomain1'],
    ]);
  });

  test('deployments', () => expect(deploymentsInCsv(guideRules)).toEqual(['myDomain1', 'myDomain200']));

  test.each([
    // With the deployments of the rules file, the two tests that want a rule of another deployment fail, and say so.
    ['myDomain1', [true, false, true, true]],
    ['default', [true, false, false, true]],
  ])('tests, with %s as default deployment', (deployment, passed) => {
    const rules = rulesOf(guideRules);
    const tests = readTestsCsv(guideTests, deployment);
    if (rules.faults !== undefined || tests.faults !== undefined) throw new Error('faults');
    const list = compileAllowList(rules.rules, nodesOfRules(rules.rules, deployments));
    const outcomes = runTests(list, tests.tests);
    expect(outcomes.map((outcome) => outcome.passed)).toEqual(passed);
    expect(outcomes[1]?.because).toBe('myserver2 is no known node');
  });
});

describe('a broken line is named and nothing is applied', () => {
  test.each([
    ['no heading', 'https://a/,,,,\n', 1, 'first line must be Url,Deployment'],
    ['empty', '', 1, 'first line must be'],
    ['heading in another order', 'Deployment,Url,HttpMethods,MatchType,Description\n', 1, 'first line'],
    ['no URL', `${head}server1/path,default,,,\n`, 2, 'no URL of the form'],
    ['protocol', `${head}ftp://a/,default,,,\n`, 2, 'http or https'],
    ['user info', `${head}https://u:p@a/,default,,,\n`, 2, 'the host is'],
    ['port 0', `${head}https://a:0/,default,,,\n`, 2, '1 to 65535'],
    ['port 65536', `${head}https://a:65536/,default,,,\n`, 2, '1 to 65535'],
    ['number as host', `${head}https://2130706433/,default,,,\n`, 2, 'the host is'],
    ['query', `${head}https://a/b?c=d,default,,,\n`, 2, 'without query'],
    ['climbing path', `${head}https://a/b/../c,default,,,\n`, 2, 'would match no request'],
    ['double slash', `${head}https://a//b,default,,,\n`, 2, 'write it "/b"'],
    ['method', `${head}https://a/,default,FETCH,,\n`, 2, '"FETCH" is no method'],
    ['match type', `${head}https://a/,default,,regex,\n`, 2, 'exact or prefix'],
    ['deployment', `${head}https://a/,elsewhere,,,\n`, 2, 'no deployment'],
    ['deployment missing', `${head}https://a/,,,,\n`, 2, 'must name one'],
    ['methods unquoted', `${head}https://a/,default,GET,PUT,exact,one\n`, 2, 'double quotes?'],
    ['stray quote', `${head}https://a/,default,GE"T,,\n`, 2, 'double quote'],
    ['quote left open', `${head}https://a/,default,"GET,,\n`, 2, 'never closed'],
    ['entry on two lines', `${head}https://a/,default,,,"one\ntwo"\n`, 3, 'on one line'],
    ['after good ones', `${head}https://a/,default,,,\n\nhttps://b/,default,,,\nx,,,,\n`, 5, 'no URL'],
  ])('%s', (_name, text, line, words) => {
    const { faults } = rulesOf(text);
    expect(faults?.[0]).toEqual({ line, text: expect.stringContaining(words) as string });
  });

  test('all of them at once', () => {
    const { faults } = rulesOf(`${head}x,,,,\nhttps://a/,default,,,\ny,,,,\n`);
    expect(faults?.map(({ line }) => line)).toEqual([2, 4]);
  });

  test.each([
    ['result', `${testHead}https://a/,perhaps,,,\n`, 'allow or block'],
    ['two methods', `${testHead}https://a/,allow,,,"GET,PUT"\n`, 'one method'],
    ['URL', `${testHead}a,allow,,,\n`, 'no URL'],
  ])('a test: %s', (_name, text, words) => {
    expect(readTestsCsv(text, 'default').faults?.[0]).toEqual({
      line: 2,
      text: expect.stringContaining(words) as string,
    });
  });
});

test.each([
  ['one deployment need not be named', `${head}https://a/,,,,\n`, { deployments: ['d'] }],
  ['end of file without line break', `${head}https://a/,default,,,`, {}],
  ['byte order mark, CRLF', `\ufeff${head}https://a/,default,,,\r\n`.replaceAll('\n', '\r\n'), {}],
  ['fields left out at the end', `${head}https://a,default\n`, {}],
  ['methods in lower case with spaces', `${head}https://[2001:DB8:0::1]/,default,"get , put",,\n`, {}],
])('accepted: %s', (_name, text, change) => {
  expect(rulesOf(text, change).faults).toBeUndefined();
});

test('no default methods: a rule must name its own', () => {
  expect(rulesOf(`${head}https://a/,default,,,\n`, { methods: [] }).faults?.[0]?.text).toContain('no method');
});

test('an address is written in one way', () => {
  expect(readRuleUrl('https://[2001:DB8:0:0::1]:8443').host).toBe('2001:db8::1');
});

test('any text is read or refused with lines, never thrown', () => {
  const field = fc.oneof(fc.string(), fc.constantFrom('https://a/', 'GET', '"', '\n', 'default', 'exact'));
  fc.assert(
    fc.property(
      fc.array(fc.array(field, { maxLength: 7 }), { maxLength: 6 }),
      fc.boolean(),
      (rows, headed) => {
        const text = (headed ? head : '') + rows.map((row) => row.join(',')).join('\n');
        const result = rulesOf(text);
        for (const { line } of result.faults ?? []) expect(line).toBeGreaterThan(0);
        readTestsCsv(text, 'default');
      },
    ),
    { numRuns: 300 },
  );
});

test('a written rule is read back from its own URL', () => {
  const label = fc.stringMatching(/^[a-z][a-z0-9]{0,10}$/);
  fc.assert(
    fc.property(label, fc.integer({ min: 1, max: 65_535 }), label, (host, port, path) => {
      const url = `https://${host}:${port}/${path}`;
      const written = { url, deployment: 'default', methods: 'GET', match: 'exact', description: '' };
      const rule = readOwnRule(written, { ...defaults, match: 'prefix' });
      expect(rule).toMatchObject({ port, host: { name: host }, path: `/${path}`, match: 'exact' });
    }),
  );
  expect(() => readRuleUrl('x'.repeat(5000))).toThrow(RuleError);
});
