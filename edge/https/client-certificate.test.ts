import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { createAuthority, issueIdentity } from '../../zones/pair/certificate.ts';
import { dial, EDGE_NAME, identity, openDoor, type Rig } from './test-door.ts';

const validity = { from: Date.now(), days: 2 };
const maker = await createAuthority('maker of phones', validity);
const stranger = await createAuthority('maker of phones', validity);
const phone = await issueIdentity(maker, 'sep001122334455', validity);
const impostor = await issueIdentity(stranger, 'sep001122334455', validity);

const REQUEST = `GET /ZXhhbXBsZS5jb20/get_edge_sso HTTP/1.1\r\nHost: ${EDGE_NAME}\r\n`;
const derOf = (pem: string): string => pem.replaceAll(/-----[^-]+-----|\s/g, '');

let rig: Rig | undefined;
afterEach(() => rig?.door.close('test'));

const tls = {
  identity,
  groups: 'X25519',
  ciphers: '',
  minVersion: 'TLSv1.2' as const,
  clientAuthorities: maker.certificate,
};

/** The Client-Cert lines that core sees. */
async function shownToCore(options: Parameters<typeof dial>[1], extra = '', asks = true): Promise<string[]> {
  rig = await openDoor({ tls: { ...tls, clientAuthorities: asks ? maker.certificate : undefined } });
  const client = await dial(rig.door, options);
  client.socket.write(`${REQUEST}${extra}\r\n`);
  await client.until(/from core/);
  client.socket.destroy();
  return (rig.core.seen[0]?.lines ?? []).filter((line) => /client.?cert/i.test(line));
}

it('a certificate that a configured authority signed is told inward (RFC 9440)', async () => {
  const lines = await shownToCore({ cert: phone.certificate, key: phone.key });
  expect(lines).toEqual([`Client-Cert: :${derOf(phone.certificate)}:`]);
  expect(rig?.record.counts.get('https.client-certificate proven')).toBe(1);
});

it('one of another authority with the same names is not, and the client is served as any other', async () => {
  expect(await shownToCore({ cert: impostor.certificate, key: impostor.key })).toEqual([]);
  expect(rig?.record.counts.get('https.client-certificate unproven')).toBe(1);
});

it('nobody needs one', async () => {
  expect(await shownToCore({})).toEqual([]);
});

it('nobody is asked for one without authorities', async () => {
  expect(await shownToCore({ cert: phone.certificate, key: phone.key }, '', false)).toEqual([]);
  expect(rig?.record.counts.has('https.client-certificate proven')).toBe(false);
});

it.each([
  'Client-Cert',
  'client_cert',
  'Client-Cert-Chain',
  'X-Client-Cert-Info',
  'X-Client-Cert',
  'X-SSL-Client-Cert',
])("a client's own %s is taken away", async (name) => {
  expect(await shownToCore({}, `${name}: :${derOf(phone.certificate)}:\r\n`)).toEqual([]);
});

it('a resumed session shows what the first handshake proved, and nothing where that proved nothing', async () => {
  rig = await openDoor({ tls });
  for (const [shown, count] of [
    [{ cert: phone.certificate, key: phone.key }, 1],
    [{}, 0],
  ] as const) {
    rig.core.seen.length = 0;
    const first = await dial(rig.door, shown);
    const [session] = (await once(first.socket, 'session')) as [Buffer];
    first.socket.destroy();
    const second = await dial(rig.door, { session });
    expect(second.socket.isSessionReused()).toBe(true);
    second.socket.write(`${REQUEST}\r\n`);
    await second.until(/from core/);
    second.socket.destroy();
    expect(rig.core.seen[0]?.lines.filter((line) => line.startsWith('Client-Cert:')).length).toBe(count);
  }
});
