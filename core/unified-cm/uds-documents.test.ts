import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readClusterUser, readDevices, readServers, readUser, readVersion } from './uds-documents.ts';
import { parseXml, XmlError } from './xml.ts';

describe('documents as nodes send them', () => {
  test('servers', () => {
    const text = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
      <servers uri="https://ucm1/cucm-uds/servers" version="14.0">
        <server>UCM1.example.com</server><server>ucm2.example.com</server><server>ucm1.example.com</server><server/>
      </servers>`;
    expect(readServers(text)).toEqual(['ucm1.example.com', 'ucm2.example.com']);
  });
  test('names that are none are left out', () => {
    const names = ['a b', 'a/b', 'a.', '-a', 'a_b', 'ä', '10.0.0.1', '2001:db8::1', 'x'.repeat(254)];
    const text = `<servers>${names.map((name) => `<server>${name}</server>`).join('')}</servers>`;
    expect(readServers(text)).toEqual(['10.0.0.1', '2001:db8::1']);
  });
  test('a list beyond any cluster is cut', () => {
    const names = Array.from({ length: 100 }, (_, i) => `<server>n${i}</server>`).join('');
    expect(readServers(`<servers>${names}</servers>`)).toHaveLength(64);
  });
  test('version', () => {
    const text = `<versionInformation uri="u" version="10.0.0"><version>11.5.1</version>
      <capabilities><usersResourceAuthEnabled>true</usersResourceAuthEnabled></capabilities></versionInformation>`;
    expect(readVersion(text)).toBe('11.5.1');
  });
  test('a user with a home', () => {
    const text = `<clusterUser version="14" uri="u"><result found="true" uri="x" version="14"/>
      <homeCluster serversUri="y">Ucm1.example.com</homeCluster><homeClusterDetails/></clusterUser>`;
    expect(readClusterUser(text)).toEqual({ found: true, homeHost: 'ucm1.example.com' });
  });
  test('a user whom nobody knows', () => {
    expect(readClusterUser('<clusterUser><result found="false"/></clusterUser>')).toEqual({
      found: false,
      homeHost: undefined,
    });
  });
  test('a user without a home', () => {
    expect(readClusterUser('<clusterUser><result found="true"/><homeCluster/></clusterUser>')).toEqual({
      found: true,
      homeHost: undefined,
    });
  });
  test('devices', () => {
    const text = `<devices><device uri="u"><id>1</id><name>CSFALICE</name></device><device><name/></device></devices>`;
    expect(readDevices(text)).toEqual(['CSFALICE']);
  });
  test('a user', () => {
    const text = `<user><id>alice</id><displayName>A &amp; B</displayName><homeCluster enableImAndPresence="">true</homeCluster></user>`;
    expect(readUser(text)).toEqual({ id: 'alice', displayName: 'A & B', homeCluster: true });
  });
  test('names with a prefix are read without', () => {
    expect(readServers('<u:servers xmlns:u="urn:x"><u:server>a</u:server></u:servers>')).toEqual(['a']);
  });
});

describe('refused', () => {
  const deep = '<a>'.repeat(17) + '</a>'.repeat(17);
  const rows: [name: string, text: string][] = [
    ['nothing', ''],
    ['another document', '<html/>'],
    ['text', 'Unauthorized'],
    ['a document type', '<!DOCTYPE servers><servers/>'],
    ['entities of its own', '<!DOCTYPE s [<!ENTITY a "b">]><servers><server>&a;</server></servers>'],
    ['an unknown entity', '<servers><server>&a;</server></servers>'],
    ['a tag left open', '<servers><server>a</servers>'],
    ['two roots', '<servers/><servers/>'],
    ['too deep', `<servers>${deep}</servers>`],
    ['too many elements', `<servers>${'<a/>'.repeat(50_001)}</servers>`],
    ['NUL', '<servers>\0</servers>'],
  ];
  test.each(rows)('%s', (_name, text) => {
    expect(() => readServers(text)).toThrow(XmlError);
  });
});

test('throws nothing but XmlError', () => {
  const piece = fc.constantFrom(
    '<a>',
    '</a>',
    '<b x="1">',
    '</b>',
    '&amp;',
    '&x;',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    't',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      try {
        parseXml(pieces.join(''));
      } catch (error) {
        expect(error).toBeInstanceOf(XmlError);
      }
    }),
  );
});

test('a name cannot reach the prototype', () => {
  const element = parseXml('<a __proto__="x" constructor="y"/>');
  expect(element.attributes['__proto__']).toBe('x');
  expect(element.attributes['toString']).toBeUndefined();
});
