// What an operator may say of ICE passthrough and of who may dial what, and what is told at once when it cannot be meant so.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { createPair } from '../zones/pair/pair.ts';
import { ConfigError, loadCore } from './index.ts';

let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-ice-config-'));
  const pair = await createPair({
    zoneName: 'inside',
    zoneId: 1,
    edges: [{ name: 'edge.example.com', address: '10.0.1.10' }],
    cores: [{ name: 'core.inside' }],
    days: 30,
    now: Date.now(),
  });
  const zone = pair.files.find(({ role }) => role === 'core')?.yaml ?? '';
  writeFileSync(path.join(folder, 'zone.yaml'), zone, { mode: 0o600 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(changes: { cluster?: object; media?: object; dial?: object }): ReturnType<typeof loadCore> {
  const file = path.join(folder, 'core.yaml');
  writeFileSync(
    file,
    stringify({
      core: { name: 'core.inside' },
      zones: ['zone.yaml'],
      domains: [{ name: 'example.com' }],
      'unified-cm': [{ publisher: 'cucm.inside', ...changes.cluster }],
      sip: { address: '10.0.2.10' },
      media: { ...changes.media },
      'dial-policy': { ...changes.dial },
    }),
  );
  return loadCore(file, {});
}

const TLS = { sip: { transport: 'tls' } };
const ON = { 'ice-passthrough': true };

it('both switches are off, nothing is forbidden to dial, and transfers stay inside', () => {
  const { media, unifiedCm, dialPolicy } = load({});
  expect([media.icePassthrough, unifiedCm[0]?.icePassthrough]).toEqual([false, false]);
  expect(dialPolicy).toEqual({ rules: [], otherwise: 'allow', referElsewhere: 'deny' });
});

it('are on where signalling and media can be sealed to the far end', () => {
  const media = { ...ON, 'inside-encryption': 'best-effort', 'denied-candidates': ['10.0.0.0/8'] };
  const config = load({ cluster: { ...TLS, ...ON }, media });
  expect(config.media).toMatchObject({ icePassthrough: true, deniedCandidates: ['10.0.0.0/8'] });
});

it.each<[string, Parameters<typeof load>[0], RegExp]>([
  ['keys in the clear', { cluster: ON }, /keys would cross in the clear/],
  ['no SRTP inside', { cluster: TLS, media: ON }, /needs inside-encryption/],
  ['a range that is none', { media: { 'denied-candidates': ['10.0.0.0/33'] } }, /not a range of addresses/],
  ['a rule without a name', { dial: { rules: [{ targets: ['0900*'] }] } }, /dial-policy\.rules\[0\]\.name/],
  ['a pattern with a space', { dial: { rules: [{ name: 'x', targets: ['0 900'] }] } }, /targets\[0\]/],
])('%s is told', (_name, changes, words) => {
  let told = '';
  try {
    load(changes);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    told = error.message;
  }
  expect(told).toMatch(words);
});
