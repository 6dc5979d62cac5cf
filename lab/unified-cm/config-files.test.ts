import { parse } from 'ltx';
import { expect, test } from 'vitest';
import { renderConfigFile } from './config-files.ts';
import { exampleEnterprise } from './enterprise.ts';

const enterprise = exampleEnterprise([{ name: 'ucm1.example.com', address: '127.0.10.30' }]);
const render = (name: string) => renderConfigFile(enterprise, { sip: 5060, secureSip: 5061 }, name);

test.each([
  ['SPDefault.cnf.xml', '<address>ucm1.example.com</address>'],
  ['jabber-config.xml', '<ServicesDomain>example.com</ServicesDomain>'],
  ['CSFALICE.cnf.xml', '<name>1001</name>'],
  ['CSFalice.cnf.xml', '<processNodeName>ucm1.example.com</processNodeName>'],
  ['SEP001122334455.cnf.xml', '<sipPort>5060</sipPort><securedSipPort>5061</securedSipPort>'],
])('%s is well-formed and holds %s', (name, expected) => {
  const text = render(name);
  expect(text).toContain(expected);
  expect(() => parse(text!.replace(/^<\?xml[^>]*\?>\s*/, ''))).not.toThrow();
});

test.each(['', 'CSFNOBODY.cnf.xml', '../etc/passwd', 'CSFALICE.cnf.xml?x', 'CSFALICE.cnf.xml.sgn'])(
  '%j does not exist',
  (name) => expect(render(name)).toBeUndefined(),
);
