import { describe, expect, test } from 'vitest';
import { HeaderList } from '../../http/index.ts';
import { makeInwardHeaders } from './inward-headers.ts';
import { makeOutwardHeaders } from './outward-headers.ts';
import { readTrace } from './trace.ts';
import { printLane } from '../../zones/lane.ts';

const id = '6af9a674-9ebc-41ea-868e-90e7309a758c';

describe('inward', () => {
  const inward = (...fields: [string, string][]): string => {
    const headers = HeaderList.of(...fields);
    makeInwardHeaders(
      headers,
      { trackingId: id, clientAddress: '192.0.2.1', deviceCertificate: undefined },
      'https/1.1 v[e], http/1.1 v[c]',
    );
    return headers.print();
  };
  const own = `TrackingID: ${id}\r\nX-Forwarded-For: 192.0.2.1\r\nVia: https/1.1 v[e], http/1.1 v[c]\r\n`;

  test('what belongs to client and server passes untouched', () => {
    expect(inward(['Authorization', 'Basic x'], ['Accept', '*/*'], ['X-Cisco-Thing', '1'])).toBe(
      `Authorization: Basic x\r\nAccept: */*\r\nX-Cisco-Thing: 1\r\n${own}`,
    );
  });

  test('our cookie stays here, others pass', () => {
    expect(inward(['Cookie', 'JSESSIONID=1; X-Auth=abc'], ['Cookie', 'x-auth=def'])).toBe(
      `Cookie: JSESSIONID=1\r\n${own}`,
    );
  });

  const smuggled = [
    'X-Forwarded-For',
    'x_forwarded_for',
    'X.Forwarded.For',
    'X-Forwarded-Host',
    'X_Forwarded-Proto',
    'X-Forwarded-Uri',
    'X-Forwarded-User',
    'Forwarded',
    'Via',
    'TrackingID',
    'Tracking-Id',
    'tracking_id',
    'Client-IP',
    'Client_ip',
    'X-Real-IP',
    'X-Client-Cert-Info',
    'X_Client_Cert_Info',
    'X-SSL-Client-Cert',
    'Remote-User',
    'X-Remote-User',
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-HTTP-Method-Override',
    'X-Auth',
    'X-Auth-Request-User',
    'Forwarded-For',
    'CF-Connecting-IP',
    'Viaduct-User',
    'X-ARR-ClientCert',
    'SSL_CLIENT_CERT',
  ];
  test.each(smuggled)('%s from outside is taken out (T-105, T-108)', (name) => {
    expect(inward([name, 'mallory'])).toBe(own);
  });
});

describe('what edge says about the client is taken only in the form edge makes it', () => {
  const rows: [name: string, fields: [string, string][], address: string | undefined, genuine: boolean][] = [
    [
      'as edge makes it',
      [
        ['TrackingID', id],
        ['X-Forwarded-For', '2001:db8::1'],
      ],
      '2001:db8::1',
      true,
    ],
    [
      'a list of addresses',
      [
        ['TrackingID', id],
        ['X-Forwarded-For', '192.0.2.1, 10.0.0.1'],
      ],
      undefined,
      true,
    ],
    [
      'two lines',
      [
        ['TrackingID', id],
        ['TrackingID', id],
        ['X-Forwarded-For', '192.0.2.1'],
        ['X-Forwarded-For', '192.0.2.2'],
      ],
      undefined,
      false,
    ],
    [
      'a name for an address',
      [
        ['TrackingID', 'x" y="z'],
        ['X-Forwarded-For', 'localhost'],
      ],
      undefined,
      false,
    ],
    ['nothing', [], undefined, false],
  ];
  test.each(rows)('%s', (_name, fields, address, genuine) => {
    const trace = readTrace(HeaderList.of(...fields));
    expect(trace.clientAddress).toBe(address);
    expect(trace.trackingId === id).toBe(genuine);
    expect(trace.trackingId).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('outward (T-113)', () => {
  const lane = {
    kind: 'proxy',
    domain: 'example.com',
    protocol: 'https',
    host: 'ucm1.inside',
    port: 8443,
  } as const;
  const to = (host: string, port: number, protocol: 'http' | 'https' = 'https'): string =>
    printLane({ ...lane, host, port, protocol });
  const outward = (...fields: [string, string][]): { text: string; withheld: number } => {
    const headers = HeaderList.of(...fields);
    const withheld = makeOutwardHeaders(headers, {
      lane,
      target: '/ssosp/start?x=1',
      isKnown: (host) => host === 'ucm1.inside' || host === 'ucm2.inside' || host === '2001:db8::1',
      redirectHosts: new Set(['login.example.net']),
    });
    return { text: headers.print(), withheld };
  };
  const rows: [name: string, location: string, becomes: string | undefined][] = [
    [
      'the same node',
      'https://ucm1.inside:8443/ssosp/next?y=2',
      `/${to('ucm1.inside', 8443)}/ssosp/next?y=2`,
    ],
    ['another node and port', 'http://UCM2.inside:6970/a.xml', `/${to('ucm2.inside', 6970, 'http')}/a.xml`],
    ['the default port', 'https://ucm2.inside/a', `/${to('ucm2.inside', 443)}/a`],
    ['an address', 'https://[2001:DB8::1]:8443/a', `/${to('2001:db8::1', 8443)}/a`],
    ['a path', '/ssosp/next', `/${to('ucm1.inside', 8443)}/ssosp/next`],
    ['a relative path', 'next', `/${to('ucm1.inside', 8443)}/ssosp/next`],
    ['climbing out of the lane', '../../../../x', `/${to('ucm1.inside', 8443)}/x`],
    ['a query only', '?z=3', `/${to('ucm1.inside', 8443)}/ssosp/start?z=3`],
    ['without protocol', '//ucm2.inside/a', `/${to('ucm2.inside', 443)}/a`],
    ['outside, permitted', 'https://login.example.net/saml?a=b#c', 'https://login.example.net/saml?a=b#c'],
    ['outside, permitted host in the clear', 'http://login.example.net/', undefined],
    ['a host inside that is no node', 'https://db.inside/admin', undefined],
    ['somewhere', 'https://evil.example/', undefined],
    ['credentials in the URL', 'https://u:p@ucm1.inside/', undefined],
    ['a script', 'javascript:alert(1)', undefined],
    ['no URL', 'https://[', undefined],
  ];
  test.each(rows)('Location: %s', (_name, location, becomes) => {
    const { text, withheld } = outward(['Location', location]);
    expect(text).toBe(becomes === undefined ? '' : `Location: ${becomes}\r\n`);
    expect(withheld).toBe(becomes === undefined ? 1 : 0);
  });
  test('two Locations are none', () => {
    expect(outward(['Location', '/a'], ['Location', '/b'])).toEqual({ text: '', withheld: 1 });
  });
  test('what speaks for the whole origin stays inside', () => {
    const kept: [string, string][] = [
      ['Content-Type', 'text/xml'],
      ['Set-Cookie', 'JSESSIONID=1; Path=/'],
    ];
    const { text } = outward(
      ...kept,
      ['Strict-Transport-Security', 'max-age=1; includeSubDomains'],
      ['Alt-Svc', 'h2="ucm1.inside:443"'],
      ['Refresh', '0; url=https://ucm1.inside/'],
      ['Clear-Site-Data', '"cookies"'],
      ['Set-Cookie', 'X-Auth=planted'],
    );
    expect(text).toBe('Content-Type: text/xml\r\nSet-Cookie: JSESSIONID=1; Path=/\r\n');
  });
});
