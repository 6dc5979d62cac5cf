import { expect, test } from 'vitest';
import { EdgeConfigError, parseEdgeConfig, parseSignInOffer } from './edge-config.ts';

// The shape of mra-wire §1.5 with the names of the lab.
const sample = `<?xml version='1.0' encoding='UTF-8'?>
<getEdgeConfigResponse version="1.0"><serviceConfig>
<service><name>_cisco-phone-tftp</name><error>NameError</error></service>
<service><name>_cuplogin</name><error>NameError</error></service>
<service><name>_cisco-uds</name><server><priority>1</priority><weight>1</weight><port>8443</port>
<address>ucm1.example.com</address></server></service>
<service><name>tftpServer</name><address>ucm1.example.com</address><address></address></service>
</serviceConfig><edgeConfig>
<sipEdgeServer><server><address>edge.example.com</address><tlsPort>5061</tlsPort></server></sipEdgeServer>
<sipRequest><route>&lt;sip:192.168.2.100:5061;transport=tls;zone-id=3;directed;lr&gt;</route></sipRequest>
<xmppEdgeServer><server><address>edge.example.com</address><tlsPort>5222</tlsPort></server></xmppEdgeServer>
<httpEdgeServer><server><address>edge.example.com</address><tlsPort>8443</tlsPort></server></httpEdgeServer>
<turnEdgeServer/>
<userUdsServer><server><address>ucm1.example.com</address><tlsPort>8443</tlsPort></server></userUdsServer>
</edgeConfig></getEdgeConfigResponse>`;

test('everything the client needs is read', () => {
  const config = parseEdgeConfig(sample);
  expect(config.sip).toEqual([{ address: 'edge.example.com', tlsPort: 5061 }]);
  expect(config.sipRoute).toBe('<sip:192.168.2.100:5061;transport=tls;zone-id=3;directed;lr>');
  expect(config.services.get('_cisco-uds')).toEqual([{ address: 'ucm1.example.com', port: 8443 }]);
  expect(config.services.get('_cuplogin')).toEqual([]);
  expect(config.tftp).toEqual(['ucm1.example.com']);
  expect(config.userUds).toBe('ucm1.example.com');
});

test.each([
  [
    'no home node',
    sample.replace(/<userUdsServer>.*<\/userUdsServer>/, '<userUdsServer/>'),
    /UDS server address/,
  ],
  ['no route', sample.replace(/<sipRequest>.*<\/sipRequest>/, '<sipRequest/>'), /SIP route/],
  ['another document', '<html/>', /expected getEdgeConfigResponse/],
  ['no XML', '<a', /well-formed/],
])('%s is an error in words', (_, text, message) => {
  expect(() => parseEdgeConfig(text)).toThrow(EdgeConfigError);
  expect(() => parseEdgeConfig(text)).toThrow(message);
});

test.each([
  ['true', true],
  ['false', false],
])('single sign-on %s', (enabled, expected) => {
  const offer = `<Status enabled="${enabled}"/><Token enabled="${enabled}"/>`;
  const text = `<SSOResult version="1.0"><Response><SingleSignOn>${offer}</SingleSignOn></Response></SSOResult>`;
  expect(parseSignInOffer(text)).toEqual({ singleSignOn: expected, token: expected });
});
