// Single sign-on against an identity provider that lies: every row of the attacks on SAML (T-120 to T-124) as one line.
import { createPublicKey, verify } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { RateFault } from './sign-on.ts';
import {
  encryptAssertion,
  makeTestKeys,
  printAssertion,
  printIdpMetadata,
  printResponse,
  sign,
  type Signing,
  testKeys,
  type Told,
} from './test-idp.ts';
import {
  audience,
  consumer,
  openSignOn,
  purpose,
  readRequest,
  type TestSignOn,
  truthful,
} from './test-sign-on.ts';

let saml: TestSignOn;
beforeAll(async () => {
  await makeTestKeys();
  saml = await openSignOn();
}, 60_000);

describe('the request', () => {
  test('is deflated, signed and names the consumer', async () => {
    const { begun, requestId } = await saml.begin();
    const url = new URL(begun.location);
    expect(url.origin + url.pathname).toBe('https://idp.example.com/sso');
    expect(url.searchParams.get('SigAlg')).toBe('http://www.w3.org/2001/04/xmldsig-more#rsa-sha256');
    const xml = readRequest(url);
    expect(requestId).toMatch(/^id-[0-9a-f-]{36}$/);
    expect(xml).toContain(`AssertionConsumerServiceURL="${consumer}"`);
    expect(xml).toContain('ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"');
    expect(xml).toContain(`>${audience}<`);
    expect(xml).not.toContain('RequestedAuthnContext');
    const signed = url.search.slice(1).split('&Signature=')[0] ?? '';
    const signature = Buffer.from(url.searchParams.get('Signature') ?? '', 'base64');
    const key = createPublicKey((await testKeys('sp')).certificate);
    expect(verify('RSA-SHA256', Buffer.from(signed), key, signature)).toBe(true);
  });

  test('an address begins only so many', async () => {
    const busy = await openSignOn();
    for (let i = 0; i < 5; i++) await busy.signOn.begin('example.com', consumer, '2001:db8::1', purpose);
    const next = busy.signOn.begin('example.com', consumer, '2001:db8:0:0:9::2', purpose);
    await expect(next).rejects.toBeInstanceOf(RateFault);
    await busy.signOn.begin('example.com', consumer, '2001:db8:0:1::1', purpose);
  });

  test('a domain without identity provider has no sign-on', async () => {
    await expect(saml.signOn.begin('other.example', consumer, undefined, purpose)).rejects.toMatchObject({
      reason: 'identity-provider',
    });
  });
});

test('a truthful response signs in, once', async () => {
  const sent = await saml.begin();
  const xml = await truthful({ ...sent.told, assertionId: '_once' });
  expect(await saml.finish(sent, xml)).toMatchObject({
    user: 'alice',
    provider: 'corporate',
    purpose: { responseType: 'token', clientId: 'C1', deviceId: 'D1' },
  });
  expect(await saml.verdict(sent, xml)).toBe('session');
});

test('a sign-in is over after some refused responses', async () => {
  const sent = await saml.begin();
  const xml = await truthful({ ...sent.told, assertionId: '_tries' });
  for (let i = 0; i < 5; i++) expect(await saml.verdict(sent, '<broken')).toBe('form');
  expect(await saml.verdict(sent, xml)).toBe('session');
  expect(await saml.verdict(sent, xml)).toBe('session');
});

test('two browsers that bring the same response at once: one gets in', async () => {
  const sent = await saml.begin();
  const xml = await truthful({ ...sent.told, assertionId: '_race' });
  const verdicts = await Promise.all([saml.verdict(sent, xml), saml.verdict(sent, xml)]);
  expect(verdicts.toSorted()).toEqual(['accepted alice', 'replayed']);
});

test('an assertion id that was used is refused under another request (T-124)', async () => {
  const first = await saml.begin();
  expect(await saml.verdict(first, await truthful({ ...first.told, assertionId: '_twice' }))).toBe(
    'accepted alice',
  );
  const second = await saml.begin();
  expect(await saml.verdict(second, await truthful({ ...second.told, assertionId: '_twice' }))).toBe(
    'replayed',
  );
});

describe('what a response says wrong, signed well', () => {
  const rows: [name: string, change: (told: Told) => Partial<Told>, reason: string][] = [
    ['issuer of the response', () => ({ issuer: 'https://evil.example' }), 'issuer'],
    ['issuer of the assertion', () => ({ assertionIssuer: 'https://evil.example' }), 'issuer'],
    ['destination', () => ({ destination: 'https://other.example/fedlet' }), 'destination'],
    ['recipient', () => ({ recipient: 'https://other.example/fedlet' }), 'recipient'],
    ['recipient by prefix', () => ({ recipient: `${consumer}/` }), 'recipient'],
    ['audience', () => ({ audience: 'https://other.example' }), 'audience'],
    ['audience by prefix', () => ({ audience: `${audience}0` }), 'audience'],
    [
      'InResponseTo of nobody',
      () => ({ inResponseTo: 'id-00000000-0000-4000-8000-000000000000' }),
      'in-response-to',
    ],
    ['InResponseTo missing (IdP-initiated)', () => ({ inResponseTo: '' }), 'in-response-to'],
    ['InResponseTo of another request inside', () => ({ subjectInResponseTo: 'id-other' }), 'in-response-to'],
    ['status Responder', () => ({ status: 'urn:oasis:names:tc:SAML:2.0:status:Responder' }), 'status'],
    ['not valid yet', (told) => ({ notBefore: told.notBefore + 120_000 }), 'not-yet-valid'],
    ['expired', (told) => ({ notBefore: 0, notOnOrAfter: told.notBefore - 60_000 }), 'expired'],
    ['confirmation expired', (told) => ({ confirmedUntil: told.notBefore - 60_000 }), 'expired'],
    ['no audience restriction', (told) => ({ conditions: plainConditions(told) }), 'audience'],
    ['no conditions', () => ({ conditions: '<saml:Advice/>' }), 'audience'],
    ['a condition nobody knows', (told) => ({ conditions: oddConditions(told) }), 'form'],
    [
      'no bearer confirmation',
      () => ({ subject: '<saml:Subject><saml:NameID>a</saml:NameID></saml:Subject>' }),
      'recipient',
    ],
    ['nobody authenticated', () => ({ statement: '<saml:Advice/>' }), 'form'],
    ['no uid', () => ({ attributes: '<saml:AttributeStatement/>' }), 'attribute'],
    ['two uids', () => ({ attributes: uids('alice', 'bob') }), 'attribute'],
    ['uid that is a path', () => ({ attributes: uids('alice/../bob') }), 'attribute'],
    ['document type', () => ({ doctype: '<!DOCTYPE a [<!ENTITY b "c">]>' }), 'form'],
  ];
  test.each(rows)('%s', async (_name, change, reason) => {
    const sent = await saml.begin();
    const xml = await truthful({ ...sent.told, ...change(sent.told) }).catch(() => '');
    const doctype = change(sent.told).doctype;
    // A document type cannot be signed by the library: it is put in front afterwards.
    const text = doctype === undefined ? xml : `${doctype}${await truthful(sent.told)}`;
    expect(await saml.verdict(sent, text)).toBe(reason);
  });
});

const plainConditions = (told: Told): string =>
  `<saml:Conditions NotOnOrAfter="${new Date(told.notOnOrAfter).toISOString()}"/>`;
const oddConditions = (told: Told): string =>
  plainConditions(told).replace('/>', '><saml:Condition/></saml:Conditions>');
const uids = (...values: string[]): string =>
  `<saml:AttributeStatement><saml:Attribute Name="uid">${values.map((value) => `<saml:AttributeValue>${value}</saml:AttributeValue>`).join('')}</saml:Attribute></saml:AttributeStatement>`;

describe('clocks: a minute is let pass, ten are not', () => {
  const rows: [offsetMs: number, verdict: string][] = [
    [-59_000, 'accepted alice'],
    [-600_000, 'not-yet-valid'],
    [359_000 - 1000, 'accepted alice'],
    [600_000, 'expired'],
  ];
  test.each(rows)('identity provider wrong by %d ms', async (offsetMs, verdict) => {
    const sent = await saml.begin();
    const { told } = sent;
    const shifted = {
      ...told,
      assertionId: `_clock${Math.abs(offsetMs)}`,
      notBefore: told.notBefore - offsetMs,
      notOnOrAfter: told.notOnOrAfter - offsetMs,
      confirmedUntil: told.confirmedUntil - offsetMs,
    };
    expect(await saml.verdict(sent, await truthful(shifted))).toBe(verdict);
  });
});

describe('signatures (T-121, T-123)', () => {
  const sha1 = {
    signature: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1',
    digest: 'http://www.w3.org/2000/09/xmldsig#sha1',
  };
  const rows: [name: string, signing: () => Promise<Signing>, reason: string][] = [
    ['by a stranger', async () => ({ key: (await testKeys('stranger')).key }), 'signature'],
    ['SHA-1 signature', async () => ({ signature: sha1.signature }), 'algorithm'],
    ['SHA-1 digest', async () => ({ digest: sha1.digest }), 'algorithm'],
    [
      'inclusive canonicalisation',
      async () => ({ canonical: 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315' }),
      'algorithm',
    ],
    [
      'canonicalisation with comments',
      async () => ({ canonical: 'http://www.w3.org/2001/10/xml-exc-c14n#WithComments' }),
      'algorithm',
    ],
    [
      'a transform missing',
      async () => ({ transforms: ['http://www.w3.org/2001/10/xml-exc-c14n#'] }),
      'algorithm',
    ],
  ];
  test.each(rows)('%s', async (_name, signing, reason) => {
    const sent = await saml.begin();
    const assertion = await sign(printAssertion(sent.told), '_assertion', await signing());
    expect(await saml.verdict(sent, printResponse(sent.told, assertion))).toBe(reason);
  });

  test('SHA-512 is good', async () => {
    const sent = await saml.begin();
    const assertion = await sign(printAssertion({ ...sent.told, assertionId: '_sha512' }), '_sha512', {
      signature: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
      digest: 'http://www.w3.org/2001/04/xmlenc#sha512',
    });
    expect(await saml.verdict(sent, printResponse(sent.told, assertion))).toBe('accepted alice');
  });

  test('SHA-1 only where the operator says so', async () => {
    const old = await openSignOn({ allowSha1: true, digest: 'sha1' });
    const sent = await old.begin();
    expect(sent.begun.location).toContain('rsa-sha1');
    const assertion = await sign(printAssertion(sent.told), '_assertion', sha1);
    expect(await old.verdict(sent, printResponse(sent.told, assertion))).toBe('accepted alice');
  });

  test('nothing signed', async () => {
    const sent = await saml.begin();
    expect(await saml.verdict(sent, printResponse(sent.told, printAssertion(sent.told)))).toBe('signature');
  });

  test('only the Response signed: taken where the operator says so', async () => {
    const sent = await saml.begin();
    const xml = await sign(printResponse(sent.told, printAssertion(sent.told)), '_response');
    expect(await saml.verdict(sent, xml)).toBe('signature');
    const lenient = await openSignOn({ wantAssertionSigned: false });
    const again = await lenient.begin();
    const good = await sign(printResponse(again.told, printAssertion(again.told)), '_response');
    expect(await lenient.verdict(again, good)).toBe('accepted alice');
  });

  test('a good assertion inside a Response whose own signature is bad', async () => {
    const sent = await saml.begin();
    const xml = await truthful(sent.told);
    const broken = xml
      .replace('<samlp:Status>', '<samlp:Status >')
      .replace('Destination=', 'Consent="x" Destination=');
    expect(await saml.verdict(sent, broken)).toBe('signature');
  });

  test('one changed letter', async () => {
    const sent = await saml.begin();
    const xml = await truthful(sent.told);
    expect(await saml.verdict(sent, xml.replaceAll('>alice<', '>alicf<'))).toBe('signature');
  });

  test('two SignedInfo, a comment in a digest, the key in the message', async () => {
    const sent = await saml.begin();
    const xml = await truthful(sent.told);
    const info = /<ds:SignedInfo>[^]*?<\/ds:SignedInfo>/.exec(xml)?.[0] ?? '';
    expect(await saml.verdict(sent, xml.replace(info, info + info))).toBe('form');
    expect(await saml.verdict(sent, xml.replace('<ds:DigestValue>', '<ds:DigestValue><!-- x -->'))).toBe(
      'form',
    );
    const stranger = await testKeys('stranger');
    const base64 = stranger.certificate.replaceAll(/-----[A-Z ]+-----|\s/g, '');
    const keyInfo = `</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>${base64}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`;
    const forged = await sign(printAssertion(sent.told), '_assertion', { key: stranger.key });
    const brought = printResponse(sent.told, forged.replace('</ds:SignatureValue>', keyInfo));
    expect(await saml.verdict(sent, brought)).toBe('signature');
  });

  test('HMAC with the public key', async () => {
    const sent = await saml.begin();
    const xml = await truthful(sent.told);
    const hmac = xml.replaceAll(
      'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      'http://www.w3.org/2000/09/xmldsig#hmac-sha1',
    );
    expect(await saml.verdict(sent, hmac)).toBe('algorithm');
  });
});

describe('signature wrapping, XSW 1 to 8 (T-120)', () => {
  const evil = (told: Told, id: string): string =>
    printAssertion({ ...told, user: 'mallory', assertionId: id });
  const signature = /<ds:Signature [^]*?<\/ds:Signature>/;
  type Made = { told: Told; assertion: string; response: string };
  const rows: [name: string, wrap: (made: Made) => string][] = [
    [
      '1: evil Response holds the signed one in its signature',
      ({ told, response }) => evilResponse(told, response, 'inside'),
    ],
    [
      '2: evil Response, the signed one beside its signature',
      ({ told, response }) => evilResponse(told, response, 'beside'),
    ],
    [
      '3: evil assertion before the signed one',
      ({ told, assertion }) => printResponse(told, evil(told, '_evil') + assertion),
    ],
    [
      '4: the signed assertion inside the evil one',
      ({ told, assertion }) =>
        printResponse(
          told,
          evil(told, '_evil').replace('</saml:Assertion>', `${assertion}</saml:Assertion>`),
        ),
    ],
    [
      '5: evil assertion carries the signature, the signed one moved out',
      ({ told, assertion }) => {
        const bare = assertion.replace(signature, '');
        const stolen = signature.exec(assertion)?.[0] ?? '';
        return printResponse(
          told,
          evil(told, '_evil').replace('</saml:Issuer>', `</saml:Issuer>${stolen}`) + bare,
        );
      },
    ],
    [
      '6: the signed assertion inside the signature of the evil one',
      ({ told, assertion }) => {
        const bare = assertion.replace(signature, '');
        const stolen = (signature.exec(assertion)?.[0] ?? '').replace(
          '</ds:Signature>',
          `<ds:Object>${bare}</ds:Object></ds:Signature>`,
        );
        return printResponse(told, evil(told, '_evil').replace('</saml:Issuer>', `</saml:Issuer>${stolen}`));
      },
    ],
    [
      '7: evil assertion in Extensions',
      ({ told, assertion }) =>
        printResponse(told, `<samlp:Extensions>${evil(told, '_assertion')}</samlp:Extensions>${assertion}`),
    ],
    [
      '8: the signed assertion in an object of the evil signature',
      ({ told, assertion }) => {
        const stolen = signature.exec(assertion)?.[0] ?? '';
        const object = `<ds:Object>${assertion.replace(signature, '')}</ds:Object></ds:Signature>`;
        return printResponse(
          told,
          evil(told, '_assertion').replace(
            '</saml:Issuer>',
            `</saml:Issuer>${stolen.replace('</ds:Signature>', object)}`,
          ),
        );
      },
    ],
    [
      'same ID twice',
      ({ told, assertion }) =>
        printResponse(told, assertion).replace('<samlp:Status>', '<samlp:Status ID="_assertion">'),
    ],
    [
      'evil assertion in a foreign namespace',
      ({ told, assertion }) =>
        printResponse(
          told,
          evil(told, '_evil')
            .replaceAll('saml:', 'x:')
            .replace('xmlns:x', 'xmlns:x')
            .replace('urn:oasis:names:tc:SAML:2.0:assertion', 'urn:x') + assertion,
        ),
    ],
  ];
  const evilResponse = (told: Told, response: string, where: 'inside' | 'beside'): string => {
    const stolen = /<ds:Signature [^]*?<\/ds:Signature>/.exec(response)?.[0] ?? '';
    const bare = response.replace(stolen, '');
    const carried =
      where === 'inside'
        ? stolen.replace('</ds:Signature>', `<ds:Object>${bare}</ds:Object></ds:Signature>`)
        : stolen + bare;
    return printResponse({ ...told, responseId: '_evilresponse' }, evil(told, '_evil')).replace(
      '</saml:Issuer>',
      `</saml:Issuer>${carried}`,
    );
  };
  test.each(rows)('%s', async (_name, wrap) => {
    const sent = await saml.begin();
    const assertion = await sign(printAssertion(sent.told), '_assertion');
    const response = await sign(printResponse(sent.told, printAssertion(sent.told)), '_response');
    const verdict = await saml.verdict(sent, wrap({ told: sent.told, assertion, response }));
    expect(['form', 'signature']).toContain(verdict);
  });

  test('nothing hides in a CDATA section', async () => {
    const sent = await saml.begin();
    const xml = await truthful({ ...sent.told, attributes: uids('<![CDATA[alice]]>') });
    // Canonical XML has no such section: where the provider signs, it is plain text again.
    expect(await saml.verdict(sent, xml.replace('>alice<', '><![CDATA[alice]]><'))).toBe('form');
  });

  test('a comment cannot cut a name short', async () => {
    const sent = await saml.begin();
    const xml = await truthful({ ...sent.told, attributes: uids('admin<!-- -->.mallory') });
    expect(await saml.verdict(sent, xml)).toBe('form');
  });
});

describe('encrypted assertions', () => {
  const own = async (): Promise<string> => (await testKeys('sp')).certificate;

  test('signed inside, GCM, no signature outside', async () => {
    const sent = await saml.begin();
    const assertion = await sign(printAssertion({ ...sent.told, assertionId: '_gcm' }), '_gcm');
    const xml = printResponse(sent.told, await encryptAssertion(assertion, await own()));
    expect(await saml.verdict(sent, xml)).toBe('accepted alice');
  });

  test('signed inside and outside, CBC', async () => {
    const sent = await saml.begin();
    const assertion = await sign(printAssertion({ ...sent.told, assertionId: '_cbc' }), '_cbc');
    const inside = await encryptAssertion(assertion, await own(), {
      cipher: 'http://www.w3.org/2001/04/xmlenc#aes256-cbc',
    });
    const xml = await sign(printResponse(sent.told, inside), '_response');
    expect(await saml.verdict(sent, xml)).toBe('accepted alice');
  });

  const rows: [name: string, make: (told: Told) => Promise<string>, reason: string][] = [
    [
      'CBC without a signature outside',
      async (told) =>
        printResponse(
          told,
          await encryptAssertion(await sign(printAssertion(told), '_assertion'), await own(), {
            cipher: 'http://www.w3.org/2001/04/xmlenc#aes128-cbc',
          }),
        ),
      'algorithm',
    ],
    [
      'triple DES',
      async (told) =>
        printResponse(
          told,
          await encryptAssertion(printAssertion(told), await own(), {
            cipher: 'http://www.w3.org/2001/04/xmlenc#tripledes-cbc',
          }),
        ),
      'algorithm',
    ],
    [
      'RSA 1.5',
      async (told) =>
        printResponse(
          told,
          await encryptAssertion(printAssertion(told), await own(), {
            transport: 'http://www.w3.org/2001/04/xmlenc#rsa-1_5',
          }),
        ),
      'algorithm',
    ],
    [
      'unsigned inside',
      async (told) => printResponse(told, await encryptAssertion(printAssertion(told), await own())),
      'signature',
    ],
    [
      'unsigned inside a signed Response',
      async (told) =>
        sign(printResponse(told, await encryptAssertion(printAssertion(told), await own())), '_response'),
      'signature',
    ],
    [
      'SHA-1 inside',
      async (told) =>
        printResponse(
          told,
          await encryptAssertion(
            await sign(printAssertion(told), '_assertion', {
              digest: 'http://www.w3.org/2000/09/xmldsig#sha1',
            }),
            await own(),
          ),
        ),
      'algorithm',
    ],
    [
      'by a stranger inside',
      async (told) =>
        printResponse(
          told,
          await encryptAssertion(
            await sign(printAssertion(told), '_assertion', { key: (await testKeys('stranger')).key }),
            await own(),
          ),
        ),
      'signature',
    ],
    [
      'two assertions inside',
      async (told) =>
        printResponse(
          told,
          await encryptAssertion(
            `<a>${printAssertion(told)}${printAssertion({ ...told, assertionId: '_b' })}</a>`,
            await own(),
          ),
        ),
      'form',
    ],
    [
      'for another key',
      async (told) =>
        printResponse(
          told,
          await encryptAssertion(printAssertion(told), (await testKeys('stranger')).certificate),
        ),
      'decryption',
    ],
    [
      'encrypted and plain',
      async (told) =>
        printResponse(
          told,
          printAssertion(told) + (await encryptAssertion(printAssertion(told), await own())),
        ),
      'form',
    ],
  ];
  test.each(rows)('refused: %s', async (_name, make, reason) => {
    const sent = await saml.begin();
    expect(await saml.verdict(sent, await make(sent.told))).toBe(reason);
  });
});

describe('the browser', () => {
  test('another one, a lost RelayState, another consumer, another domain', async () => {
    const sent = await saml.begin();
    const xml = await truthful({ ...sent.told, assertionId: '_browser' });
    expect(await saml.verdict(sent, xml, { cookie: () => undefined })).toBe('session');
    expect(await saml.verdict(sent, xml, { cookie: () => sent.begun.cookie.value.replace(/^./, '-') })).toBe(
      'session',
    );
    expect(await saml.verdict(sent, xml, { relayState: undefined })).toBe('session');
    expect(await saml.verdict(sent, xml, { relayState: 'x' })).toBe('session');
    expect(await saml.verdict(sent, xml, { consumer: `${consumer}x` })).toBe('destination');
    expect(await saml.verdict(sent, xml, { domain: 'other.example' })).toBe('destination');
    expect(await saml.verdict(sent, xml)).toBe('accepted alice');
  });

  test('who takes too long begins again', async () => {
    const slow = await openSignOn();
    const sent = await slow.begin();
    slow.clock.advance(300_001);
    expect(await slow.verdict(sent, await truthful(sent.told))).toBe('session');
  });

  test('what is no base64 or no UTF-8', async () => {
    const sent = await saml.begin();
    for (const samlResponse of ['', '%%%', 'AAAA', 'A'.repeat(300_000)])
      expect(await saml.verdict(sent, '', { samlResponse })).toBe('form');
    const bad = Buffer.from([0x3c, 0xff, 0x3e]).toString('base64');
    expect(await saml.verdict(sent, '', { samlResponse: bad })).toBe('form');
  });
});

test('several signing certificates are good side by side; one that ended is not (T-125)', async () => {
  const [idp, stranger] = await Promise.all([testKeys('idp'), testKeys('stranger')]);
  const both = await openSignOn({ document: printIdpMetadata([stranger.certificate, idp.certificate]) });
  const sent = await both.begin();
  expect(await both.verdict(sent, await truthful(sent.told))).toBe('accepted alice');
});

test('a provider that changes its keys of a sudden is asked for the new ones, seldom', async () => {
  const [first, second] = await Promise.all([testKeys('idp'), testKeys('stranger')]);
  const sudden = await openSignOn({ url: 'https://idp.example.com/metadata' });
  const signedBy = async (told: Told, key: string): Promise<string> =>
    printResponse(told, await sign(printAssertion(told), told.assertionId, { key }));
  const forged = await sudden.begin();
  sudden.publish(printIdpMetadata([first.certificate]));
  expect(await sudden.verdict(forged, await signedBy(forged.told, second.key))).toBe('signature');
  sudden.publish(printIdpMetadata([second.certificate]));
  expect(await sudden.verdict(forged, await signedBy(forged.told, second.key))).toBe('signature');
  sudden.clock.advance(60_000);
  expect(await sudden.verdict(forged, await signedBy(forged.told, second.key))).toBe('accepted alice');
  const old = await sudden.begin();
  expect(await sudden.verdict(old, await signedBy({ ...old.told, assertionId: '_old' }, first.key))).toBe(
    'signature',
  );
});

test('user rules: another attribute, the domain taken off, capitals folded', async () => {
  const rule = await openSignOn({ user: { attribute: 'mail', stripDomain: true } });
  const sent = await rule.begin();
  const attributes = uids('Alice@Example.com').replace('"uid"', '"mail"');
  expect(await rule.verdict(sent, await truthful({ ...sent.told, attributes }))).toBe('accepted alice');
});
