// Certificates made here with every kind of name that XMPP knows (T-086), and what they cover.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificateNames, coversDomain } from './certificate-names.ts';

const NO_NAMES = { dns: [], srv: [], xmppAddr: [] };
let folder: string;

/** A self-signed certificate with this subjectAltName, in OpenSSL's words. */
function certificate(names: string | undefined): Buffer {
  const [key, pem] = [path.join(folder, 'key.pem'), path.join(folder, 'certificate.pem')];
  const words = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ];
  const more = names === undefined ? [] : ['-addext', `subjectAltName=${names}`];
  execFileSync('openssl', [...words, '-subj', '/CN=common.example', '-keyout', key, '-out', pem, ...more], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return new X509Certificate(readFileSync(pem)).raw;
}

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-names-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('names of a certificate', () => {
  it('are read, each of its kind', () => {
    const raw = certificate(
      'DNS:Example.com,DNS:*.chat.example,IP:192.0.2.1,email:a@mail.example,' +
        'otherName:1.3.6.1.5.5.7.8.5;UTF8:addr.example,otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.srv.example,' +
        'otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-client.client.example,otherName:1.2.3.4;UTF8:other.example',
    );
    expect(certificateNames(raw)).toEqual({
      dns: ['example.com', '*.chat.example'],
      srv: ['_xmpp-server.srv.example', '_xmpp-client.client.example'],
      xmppAddr: ['addr.example'],
    });
  });

  it('are none in the common name', () => {
    expect(certificateNames(certificate(undefined))).toEqual(NO_NAMES);
  });

  it('are none in what is no certificate, and reading it never throws', () => {
    const raw = certificate('DNS:example.com');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(certificateNames(bytes)).toEqual(NO_NAMES);
      }),
    );
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.nat(255), (at, value) => {
        const broken = Buffer.from(raw);
        broken[at] = value;
        certificateNames(broken);
      }),
      { numRuns: 100 },
    );
  });
});

describe('coverage (RFC 9525)', () => {
  const dns = (...names: string[]) => ({ ...NO_NAMES, dns: names });

  it.each([
    ['the name itself', dns('example.com'), 'example.com', true],
    ['another name', dns('example.org'), 'example.com', false],
    ['the parent', dns('example.com'), 'chat.example.com', false],
    ['a child', dns('chat.example.com'), 'example.com', false],
    ['a wildcard for one label', dns('*.example.com'), 'chat.example.com', true],
    ['a wildcard for the parent', dns('*.example.com'), 'example.com', false],
    ['a wildcard for two labels', dns('*.example.com'), 'a.b.example.com', false],
    ['a wildcard of a top-level domain', dns('*.com'), 'example.com', false],
    ['a bare wildcard', dns('*'), 'example.com', false],
    ['part of a label', dns('ch*.example.com'), 'chat.example.com', false],
    ['a wildcard inside', dns('chat.*.com'), 'chat.example.com', false],
    ['two wildcards', dns('*.*.com'), 'chat.example.com', false],
    ['a name with NUL', dns('example.com\0.evil.test'), 'example.com', false],
    ['SRV-ID of servers', { ...NO_NAMES, srv: ['_xmpp-server.example.com'] }, 'example.com', true],
    ['SRV-ID of clients', { ...NO_NAMES, srv: ['_xmpp-client.example.com'] }, 'example.com', false],
    ['SRV-ID with wildcard', { ...NO_NAMES, srv: ['_xmpp-server.*.example.com'] }, 'a.example.com', false],
    ['XmppAddr', { ...NO_NAMES, xmppAddr: ['example.com'] }, 'example.com', true],
    ['XmppAddr of a person', { ...NO_NAMES, xmppAddr: ['alice@example.com'] }, 'example.com', false],
    ['XmppAddr with wildcard', { ...NO_NAMES, xmppAddr: ['*.example.com'] }, 'a.example.com', false],
    ['nothing', NO_NAMES, 'example.com', false],
  ])('%s', (_name, names, domain, expected) => {
    expect(coversDomain(names, domain)).toBe(expected);
  });
});
