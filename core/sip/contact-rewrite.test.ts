import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSipUri } from '../../sip/index.ts';
import { uriKeyOf } from './binding-table.ts';
import { contactKey, keyOfRewritten, rewriteContact } from './contact-rewrite.ts';

const inside = { host: '10.15.20.10', port: 5060, transport: 'tcp' } as const;

describe('a rewritten contact', () => {
  const rows: [string, string][] = [
    [
      'sip:7514@172.16.84.136:58980;transport=tls',
      'sip:7514@10.15.20.10:5060;transport=tcp;orig-hostport=172.16.84.136:58980',
    ],
    ['sip:7514@172.16.84.136', 'sip:7514@10.15.20.10:5060;transport=tcp;orig-hostport=172.16.84.136'],
    [
      'sips:a:pw@[2001:db8::1]:5061',
      'sip:a:pw@10.15.20.10:5060;transport=tcp;orig-hostport=[2001:db8::1]:5061',
    ],
    ['sip:a@h;Transport=TLS;ob;x=%41', 'sip:a@10.15.20.10:5060;Transport=tcp;ob;x=%41;orig-hostport=h'],
    ['sip:h:5061', 'sip:10.15.20.10:5060;transport=tcp;orig-hostport=h:5061'],
    ['sip:a@h?Subject=x', 'sip:a@10.15.20.10:5060;transport=tcp;orig-hostport=h?Subject=x'],
    ['sip:a@h;orig-hostport=victim:1;orig-n=7', 'sip:a@10.15.20.10:5060;transport=tcp;orig-hostport=h'],
  ];
  test.each(rows)('%s', (contact, rewritten) => {
    expect(rewriteContact(parseSipUri(contact), inside, 0)).toBe(rewritten);
  });

  test('is found again by the key of the contact it was made of, whoever else has an equal one', () => {
    const token = fc.stringMatching(/^[a-zA-Z0-9._~-]{1,12}$/);
    fc.assert(
      fc.property(
        token,
        token,
        fc.integer({ min: 1, max: 65535 }),
        fc.integer({ min: 0, max: 15 }),
        (user, host, port, n) => {
          const contact = parseSipUri(
            `sip:${user}@${host.replaceAll(/[^a-zA-Z0-9]/g, 'a')}:${port};transport=tls`,
          );
          const rewritten = parseSipUri(rewriteContact(contact, inside, n));
          expect(keyOfRewritten(rewritten)).toBe(uriKeyOf(contactKey(contact), n));
        },
      ),
    );
  });

  const others: string[] = [
    'sip:a@10.15.20.10:5060',
    'sip:a@10.15.20.10:5060;orig-hostport=h;orig-n=x',
    'sip:a@10.15.20.10:5060;orig-hostport=h;orig-n=100',
  ];
  test.each(others)('%s is none', (uri) => expect(keyOfRewritten(parseSipUri(uri))).toBeUndefined());
});
