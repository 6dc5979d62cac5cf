// What the internet may send to the messaging door of a real edge: every row ends with the stream error of RFC 6120 or a
// closed connection, is counted, and leaves nothing behind. No messaging server stands inside: none of it may get there.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../topology/until.ts';
import { createLabAuthority } from '../../lab/authority/authority.ts';
import { type Company, DOMAIN, EDGE_NAME, foundCompany } from './company.ts';

const BLOCK = 43;
const TENANT = 'tenant.example.org';
const DOOR = { host: `127.0.${BLOCK}.10`, port: 5222 };
const open = (to = DOMAIN): string =>
  `<?xml version='1.0'?><stream:stream to='${to}' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>`;
const OPEN = open();
const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHB3</auth>";
const LONG = 'x'.repeat(64 * 1024);

let company: Company;

/** Everything that comes back until the connection is over. */
function said(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.on('error', () => undefined);
  return new Promise((resolve) => socket.once('close', () => resolve(text)));
}

/** Sends pieces in the clear and reads to the end. */
async function inTheClear(...pieces: readonly string[]): Promise<string> {
  const socket = connectTcp(DOOR);
  const all = said(socket);
  for (const piece of pieces) socket.write(piece);
  return all;
}

/** The same over TLS from the first byte. */
async function overTls(
  pieces: readonly (string | Buffer)[],
  options: ConnectionOptions = {},
): Promise<string> {
  const socket = connectTls({ ...DOOR, ...options, rejectUnauthorized: false });
  const all = said(socket);
  for (const piece of pieces) socket.write(piece);
  return all;
}

const conditionIn = (text: string): string | undefined => /<stream:error><([a-z-]+)/.exec(text)?.[1];

describe('the messaging door', { timeout: 30_000 }, () => {
  beforeAll(async () => {
    company = await foundCompany({
      block: BLOCK,
      edge: {
        xmpp: {
          enabled: true,
          'sign-in-timeout': '5 s',
          certificates: [{ domain: TENANT, chain: 'file:tenant.pem', key: 'file:tenant.key' }],
        },
      },
      core: {
        domains: [{ name: DOMAIN }, { name: 'off.example.com', messaging: false }],
        xmpp: { enabled: true },
        'unified-cm': [
          {
            publisher: `127.0.${BLOCK}.30`,
            authority: 'file:inside-authority.pem',
            'static-nodes': [{ name: `127.0.${BLOCK}.31`, kind: 'im-presence' }],
          },
        ],
      },
    });
    const authority = await createLabAuthority('Authority of a tenant', Date.now());
    const tenant = await authority.issue([TENANT]);
    for (const [name, text] of Object.entries({ 'tenant.pem': tenant.chain, 'tenant.key': tenant.key }))
      writeFileSync(path.join(company.folder, name), text, { mode: 0o600 });
    await company.start();
  });

  afterAll(() => company?.close());

  it.each([
    ['signs in without TLS', [OPEN, AUTH], 'policy-violation'],
    ['sends a stanza without TLS', [OPEN, '<message/>'], 'policy-violation'],
    ['declares a document type (T-082)', ['<!DOCTYPE x [<!ENTITY a "b">]>'], 'restricted-xml'],
    ['sends a header of 64 KiB (T-080)', [OPEN.replace("to='", `to='${LONG}`)], 'policy-violation'],
    ['sends an element of 64 KiB', [OPEN, `<starttls x='${LONG}'/>`], 'policy-violation'],
    ['nests', [OPEN, '<a>'.repeat(100)], 'policy-violation'],
    ['speaks HTTP', ['GET / HTTP/1.1\r\n\r\n'], 'not-well-formed'],
    ['speaks as a server (T-085)', [OPEN.replace('jabber:client', 'jabber:server')], 'invalid-namespace'],
  ])('in the clear, a client that %s', async (_name, pieces, expected) => {
    expect(conditionIn(await inTheClear(...pieces))).toBe(expected);
  });

  it('ends a connection that says anything after starttls in the clear', async () => {
    const before = await company.edge.counted('clear-refused');
    const text = await inTheClear(`${OPEN}${STARTTLS}${OPEN}${AUTH}`);
    expect(text).not.toContain('mechanisms');
    expect(await company.edge.counted('clear-refused')).toBe(before + 1);
  });

  it.each([
    ['a comment', [OPEN, '<!-- x -->'], 'restricted-xml'],
    ['an element that is too long for a stranger (T-080)', [OPEN, `<auth>${LONG}`], 'policy-violation'],
    ['too many elements', [OPEN, `<a>${'<b/>'.repeat(100)}`], 'policy-violation'],
    ['bytes that are not UTF-8', [OPEN, Buffer.from([0x3c, 0xff])], 'unsupported-encoding'],
    ['a domain of nobody', [open('other.com')], 'host-unknown'],
    ['a domain that is switched off', [open('off.example.com')], 'policy-violation'],
    ['a domain whose servers are all down', [OPEN], 'remote-connection-failed'],
  ])('over TLS, %s', async (_name, pieces, expected) => {
    const text = await overTls(pieces, { ALPNProtocols: ['xmpp-client'] });
    expect(conditionIn(text)).toBe(expected);
    expect(text).toMatch(/^<\?xml[^>]*\?><stream:stream [^]*<\/stream:stream>$/);
  });

  it('takes TLS from the first byte, with xmpp-client or without ALPN, and no other protocol (XEP-0368)', async () => {
    expect(conditionIn(await overTls([OPEN]))).toBe('remote-connection-failed');
    const before = await company.edge.counted('handshake-failed');
    expect(await overTls([OPEN], { ALPNProtocols: ['h2'] })).toBe('');
    expect(await overTls([OPEN], { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' })).toBe('');
    expect(await company.edge.counted('handshake-failed')).toBeGreaterThan(before);
  });

  it.each([
    [TENANT, TENANT],
    ['other.example.org', EDGE_NAME],
  ])('shows a client that asks for %s the certificate of %s', async (servername, expected) => {
    const socket = connectTls({ ...DOOR, servername, rejectUnauthorized: false });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    expect(socket.getPeerCertificate().subjectaltname).toBe(`DNS:${expected}`);
    socket.destroy();
  });

  it('waits for nobody for ever', async () => {
    const before = await company.edge.counted('sign-in-timeout');
    const silent = connectTcp(DOOR);
    await said(silent);
    expect(await company.edge.counted('sign-in-timeout')).toBeGreaterThan(before);
  });

  it('keeps nothing of those who came and went (T-081)', async () => {
    for (let round = 0; round < 10; round += 1)
      await Promise.all(Array.from({ length: 50 }, () => inTheClear(OPEN, '<message/>')));
    await until('every place is free', async () => {
      const { xmpp } = (await company.edge.status()) as {
        xmpp: { connections: number; links: { sessions: number }[] };
      };
      return xmpp.connections === 0 && xmpp.links.every(({ sessions }) => sessions === 0);
    });
    const { xmpp } = (await company.core.status()) as { xmpp: { sessions: number } };
    expect(xmpp.sessions).toBe(0);
  });
});
