// T-103: whatever path is sent, what Unified CM's own parser makes of it must be a path that was permitted.
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { alice, domainLane, openCore, type TestCore } from './test-core.ts';

let at: TestCore;
let cookie = '';
beforeAll(async () => {
  at = await openCore();
  const answer = await at.get(`/${domainLane}/get_edge_config`, alice);
  cookie = `Cookie: ${/X-Auth=[\w-]+/.exec(answer)?.[0]}\r\n`;
});
afterAll(() => at.close());

const words = 'cucm-uds user alice ALICE bob private credentials version ccmadmin axl';
const separators = String.raw`/ / / // /./ /../ .. . ; ;a=b \ %5c %5C.. %2f %2F..%2F %2e%2e/ %2e`;
const encodings = '%00 %0a %0d%0a %20 % %zz %252f %252e%252e %c0%af %ef%bc%8f %e2%80%a4 %u002e';
const oddities = '%62ob %61lice alice%3b alice%23 ? ?x=/../user/bob # * & = @ :8443 ~';
const piece = fc.constantFrom(...`${words} ${separators} ${encodings} ${oddities}`.split(' '));
const path = fc
  .tuple(
    fc.constantFrom(
      '/cucm-uds/user/alice',
      '/cucm-uds/user/alice/',
      '/cucm-uds/user/',
      '/cucm-uds/',
      '/',
      '',
    ),
    fc.array(piece, { maxLength: 8 }),
  )
  .map(([beginning, pieces]) => beginning + pieces.join(''));

/** What a lenient server inside might take the target for: decoded again and again, parameters cut, dots resolved. */
function readings(target: string): string[] {
  const found: string[] = [];
  let text = target.split('?')[0] ?? '';
  for (let i = 0; i < 3; i++) {
    found.push(
      text,
      new URL(text.replaceAll('\\', '/').replaceAll(/;[^/]*/g, ''), 'https://ucm1.example.com').pathname,
    );
    try {
      text = decodeURIComponent(text);
    } catch {
      return found;
    }
  }
  return found;
}

const permitted =
  /^\/cucm-uds\/(?:version|servers|clusterUser|users|phoneServices?|options\/.*|user\/alice(?:\/.*)?)$/is;

test('no spelling of a path reaches what the allow list and the own-user filter keep closed', async () => {
  let reached = 0;
  await fc.assert(
    fc.asyncProperty(path, async (text) => {
      at.ucm.requests.length = 0;
      await at.get(`/${at.lane()}${text}`, cookie + alice);
      reached += at.ucm.requests.length;
      for (const { line } of at.ucm.requests) {
        for (const reading of readings(line.slice('GET '.length))) {
          expect(reading).toMatch(permitted);
          // Two dots that begin a longer name are a name; alone in a segment they climb.
          expect(reading).not.toMatch(/(?:^|\/)\.\.(?:\/|$)|[\u0000-\u001f]/);
        }
      }
    }),
    { numRuns: 1_000 },
  );
  expect(at.counted).not.toContain('internal-fault');
  expect(reached).toBeGreaterThan(10);
});
