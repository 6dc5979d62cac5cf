import { parse as parseXml } from 'ltx';
import { describe, expect, it } from 'vitest';
import { NS_BIND, NS_CLIENT, NS_SASL, NS_STREAMS, NS_STREAM_MANAGEMENT } from './namespaces.ts';
import {
  type SessionAction,
  type SessionInput,
  SessionProxy,
  type SessionProxyOptions,
} from './session-proxy.ts';
import type { StreamEvent } from './stream-parser.ts';

const HEADER = { to: undefined, from: 'example.com', id: 'server-id', lang: 'en' };
const SIGN_IN = `<f><mechanisms xmlns="${NS_SASL}"><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>PLAIN</mechanism><mechanism>X-OAUTH2</mechanism></mechanisms><compression xmlns="http://jabber.org/features/compress"/></f>`;
const SESSION = `<f><bind xmlns="${NS_BIND}"/><compression xmlns="http://jabber.org/features/compress"/><sm xmlns="urn:xmpp:sm:3"/></f>`;
const plain = (message: string): string => Buffer.from(message).toString('base64');
const auth = (message = '\0alice\0pw', mechanism = 'PLAIN'): string =>
  `<auth xmlns="${NS_SASL}" mechanism="${mechanism}">${plain(message)}</auth>`;
const BIND = `<iq type="set" id="1"><bind xmlns="${NS_BIND}"/></iq>`;
const BOUND = `<iq type="result" id="1"><bind xmlns="${NS_BIND}"><jid>alice@example.com/x</jid></bind></iq>`;

function element(text: string): StreamEvent {
  const parsed = parseXml(text);
  return {
    kind: 'element',
    local: parsed.getName(),
    namespace: parsed.getNS() ?? NS_CLIENT,
    element: parsed,
  };
}

/** Short words for actions: what a reader of a dialogue wants to see. */
function short(action: SessionAction): string {
  switch (action.kind) {
    case 'to-client':
    case 'to-server':
    case 'end-client':
      return `${action.kind} ${String(action.text).replaceAll(/<\?xml[^>]*\?>|<stream:stream[^>]*>/g, (tag) => (tag.startsWith('<?') ? '' : '[header]'))}`;
    case 'signed-in':
      return `signed-in ${action.user}`;
    case 'open-server':
      return `open-server ${action.domain}`;
    case 'end-server':
      return `end-server ${action.clean ? 'clean' : 'cut'}`;
    case 'count':
      return `count ${action.event}`;
    case 'judge-token':
      return `judge-token ${action.token} for ${action.domain}`;
    case 'failed':
      return `failed ${action.user}`;
    default:
      return action.kind;
  }
}

/** A proxy and the dialogue with it. */
function session(change: Partial<SessionProxyOptions> = {}) {
  const proxy = new SessionProxy({
    maxFailedSignIns: 3,
    rulesOf: () => ({ allowedNamespaces: undefined, isPeerFileTransferAllowed: false }),
    areTokensChecked: false,
    mayTry: () => true,
    policyOf: (domain) => (domain === 'example.com' ? 'allowed' : domain === 'off.com' ? 'off' : 'unknown'),
    ...change,
  });
  const handle = (input: SessionInput): string[] => proxy.handle(input).map(short);
  const says = {
    proxy,
    handle,
    opens: (to?: string) =>
      handle({ kind: 'client', event: { kind: 'open', header: { ...HEADER, from: undefined, to } } }),
    client: (text: string) => handle({ kind: 'client', event: element(text) }),
    server: (text: string) => handle({ kind: 'server', event: element(text) }),
    ready: (features: string) =>
      handle({ kind: 'server-ready', header: HEADER, features: parseXml(features) }),
  };
  return says;
}

/** A session that has come as far as `until`. */
function at(until: 'sign-in' | 'signed-in' | 'unbound' | 'bound', change: Partial<SessionProxyOptions> = {}) {
  const says = session(change);
  says.opens('example.com');
  says.ready(SIGN_IN);
  if (until === 'sign-in') return says;
  says.client(auth());
  says.server(`<success xmlns="${NS_SASL}"/>`);
  if (until === 'signed-in') return says;
  says.opens('example.com');
  says.ready(SESSION);
  if (until === 'unbound') return says;
  says.client(BIND);
  says.server(BOUND);
  return says;
}

const condition = (actions: readonly string[]): string | undefined =>
  actions.map((action) => /^end-client .*<stream:error><([a-z-]+)/.exec(action)?.[1]).find((found) => found);

describe('the road of a session', () => {
  it('leads from header to stanzas', () => {
    const says = session();
    expect(says.opens('Example.com')).toEqual(['open-server example.com']);
    expect(says.ready(SIGN_IN)).toEqual([
      `to-client [header]<stream:features><mechanisms xmlns="${NS_SASL}"><mechanism>PLAIN</mechanism></mechanisms></stream:features>`,
    ]);
    expect(says.client(auth())).toEqual([
      `to-server ${auth()}`.replace(
        /xmlns="[^"]*" mechanism="PLAIN"/,
        `xmlns="${NS_SASL}" mechanism="PLAIN"`,
      ),
    ]);
    expect(says.server(`<success xmlns="${NS_SASL}"/>`)).toEqual(['signed-in alice@example.com']);
    expect(says.opens('example.com')).toEqual(['restart-server']);
    expect(says.ready(SESSION)).toEqual([
      `to-client [header]<stream:features xmlns:stream="${NS_STREAMS}"><bind xmlns="${NS_BIND}"/><sm xmlns="urn:xmpp:sm:3"/></stream:features>`,
    ]);
    expect(says.client(BIND)).toEqual([`to-server ${BIND}`]);
    expect(says.server(BOUND)).toEqual([`to-client ${BOUND}`]);
    expect(says.client('<presence/>')).toEqual(['to-server <presence/>']);
    expect(says.server('<message from="b"/>')).toEqual(['to-client <message from="b"/>']);
    expect(says.proxy.phase).toBe('bound');
  });

  it('lets a session be resumed instead of bound (XEP-0198)', () => {
    const says = at('unbound');
    const resume = '<resume xmlns="urn:xmpp:sm:3" previd="x" h="1"/>';
    expect(says.client(resume)).toEqual([`to-server ${resume}`]);
    says.server('<resumed xmlns="urn:xmpp:sm:3" previd="x" h="1"/>');
    expect(says.proxy.phase).toBe('bound');
    expect(NS_STREAM_MANAGEMENT).toContain('urn:xmpp:sm:3');
  });

  it('passes challenges and responses', () => {
    const says = at('sign-in');
    says.client(`<auth xmlns="${NS_SASL}" mechanism="PLAIN"/>`);
    expect(says.server(`<challenge xmlns="${NS_SASL}"/>`)).toEqual([
      `to-client <challenge xmlns="${NS_SASL}"/>`,
    ]);
    expect(says.client(`<response xmlns="${NS_SASL}">${plain('\0bob\0pw')}</response>`)).toHaveLength(1);
    expect(says.server(`<success xmlns="${NS_SASL}"/>`)).toEqual(['signed-in bob@example.com']);
  });

  it('reports a conflict of resources as the server says it', () => {
    const says = at('unbound');
    says.client(BIND);
    const conflict = '<iq type="error" id="1"><error type="cancel" code="409"/></iq>';
    expect(says.server(conflict)).toEqual([`to-client ${conflict}`]);
    expect(says.proxy.phase).toBe('unbound');
  });
});

describe('domains', () => {
  it.each([
    ['other.com', 'host-unknown'],
    ['off.com', 'policy-violation'],
    [undefined, 'host-unknown'],
  ])('%s: %s', (domain, expected) => {
    const actions = session().opens(domain);
    expect(condition(actions)).toBe(expected);
    expect(actions.find((action) => action.startsWith('end-client'))).toContain('[header]');
  });

  it('cannot change after sign-in', () => {
    expect(condition(at('signed-in').opens('off.com'))).toBe('host-unknown');
  });
});

describe('sign-in', () => {
  it.each([
    ['acting as another (T-084)', auth('bob@example.com\0alice\0pw'), 'invalid-authzid'],
    ['channel binding', auth('p=tls-unique,,n=a,r=b', 'SCRAM-SHA-1-PLUS'), 'invalid-mechanism'],
    ['OAuth', auth('x', 'X-OAUTH2'), 'invalid-mechanism'],
    ['a mechanism the server has not', auth('n,,n=a,r=b', 'SCRAM-SHA-256'), 'invalid-mechanism'],
    ['no base64', `<auth xmlns="${NS_SASL}" mechanism="PLAIN">?</auth>`, 'incorrect-encoding'],
  ])('refuses %s, and the client may try again', (_name, message, expected) => {
    const says = at('sign-in');
    const actions = says.client(message);
    expect(actions.join()).toContain(`<failure xmlns="${NS_SASL}"><${expected}/>`);
    expect(actions.some((action) => action.startsWith('to-server'))).toBe(false);
    expect(says.client(auth())).toHaveLength(1);
  });

  it('ends after three failures', () => {
    const says = at('sign-in');
    const failure = `<failure xmlns="${NS_SASL}"><not-authorized/></failure>`;
    const tries = [1, 2, 3].map(() => {
      says.client(auth());
      return condition(says.server(failure));
    });
    expect(tries).toEqual([undefined, undefined, 'policy-violation']);
    expect(says.proxy.phase).toBe('ended');
  });

  it('aborts at the server what turns out to be another', () => {
    const says = at('sign-in');
    says.client(`<auth xmlns="${NS_SASL}" mechanism="PLAIN"/>`);
    const actions = says.client(
      `<response xmlns="${NS_SASL}">${plain('bob@example.com\0alice\0pw')}</response>`,
    );
    expect(actions).toEqual(['count identity-refused', `to-server <abort xmlns="${NS_SASL}"/>`]);
  });

  it('believes no success without a name', () => {
    const says = at('sign-in');
    says.client(`<auth xmlns="${NS_SASL}" mechanism="PLAIN"/>`);
    expect(condition(says.server(`<success xmlns="${NS_SASL}"/>`))).toBe('internal-server-error');
  });
});

describe('order (T-085)', () => {
  const STANZA = '<message to="bob@example.com"/>';
  it.each([
    ['a stanza before sign-in', 'sign-in', STANZA, 'not-authorized'],
    ['binding before sign-in', 'sign-in', BIND, 'not-authorized'],
    [
      'registration before sign-in',
      'sign-in',
      '<iq type="set"><query xmlns="jabber:iq:register"/></iq>',
      'not-authorized',
    ],
    ['a response to nothing', 'sign-in', `<response xmlns="${NS_SASL}"/>`, 'not-authorized'],
    ['a stanza before the new stream', 'signed-in', STANZA, 'not-authorized'],
    ['a stanza before binding', 'unbound', STANZA, 'not-authorized'],
    ['a question before binding', 'unbound', '<iq type="get"/>', 'not-authorized'],
    ['SASL after sign-in', 'bound', auth(), 'unsupported-stanza-type'],
    [
      'STARTTLS inside TLS',
      'bound',
      '<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>',
      'unsupported-stanza-type',
    ],
    [
      'compression (T-083)',
      'bound',
      '<compress xmlns="http://jabber.org/protocol/compress"/>',
      'unsupported-stanza-type',
    ],
    ['a stanza of servers', 'bound', '<message xmlns="jabber:server"/>', 'unsupported-stanza-type'],
    ['a stranger', 'bound', '<hello/>', 'unsupported-stanza-type'],
  ] as const)('%s ends the stream', (_name, phase, text, expected) => {
    const says = at(phase);
    const actions = says.client(text);
    expect(condition(actions)).toBe(expected);
    expect(actions.some((action) => action.startsWith('to-server'))).toBe(false);
    expect(says.proxy.phase).toBe('ended');
  });

  it('a second header ends the stream', () => {
    expect(condition(at('bound').opens('example.com'))).toBe('bad-format');
  });

  it('nothing of the server reaches a client that has not signed in', () => {
    expect(condition(at('sign-in').server(STANZA))).toBe('internal-server-error');
  });
});

describe('the end', () => {
  it('of a client that says so takes the session along', () => {
    const says = at('bound');
    expect(says.handle({ kind: 'client', event: { kind: 'close' } })).toEqual([
      'end-server clean',
      'end-client </stream:stream>',
    ]);
  });

  it('of a client that says nothing leaves it to be resumed', () => {
    expect(at('bound').handle({ kind: 'client-lost' })).toEqual(['end-server cut']);
  });

  it.each([
    ['server-lost', 'remote-connection-failed'],
    ['server-unreachable', 'remote-connection-failed'],
  ] as const)('%s is said aloud', (kind, expected) => {
    expect(condition(at('bound').handle({ kind }))).toBe(expected);
  });

  it.each([
    ['conflict', 'conflict'],
    ['system-shutdown', 'system-shutdown'],
    ['see-other-host', 'undefined-condition'],
  ])('a stream error of the server: %s', (said, expected) => {
    const error = `<stream:error xmlns:stream="${NS_STREAMS}"><${said} xmlns="urn:ietf:params:xml:ns:xmpp-streams">im2.inside</${said}></stream:error>`;
    const actions = at('bound').server(error);
    expect(condition(actions)).toBe(expected);
    expect(actions.join()).not.toContain('inside');
  });

  it('is one: nothing follows it', () => {
    const says = at('bound');
    says.handle({ kind: 'server-lost' });
    expect(says.client('<presence/>')).toEqual([]);
    expect(says.handle({ kind: 'client-lost' })).toEqual([]);
  });
});

describe('sign-in with an access token that core judges', () => {
  const OFFER = `<f><mechanisms xmlns="${NS_SASL}"><mechanism>OAUTHBEARER</mechanism><mechanism>X-OAUTH2</mechanism></mechanisms></f>`;
  const BEARER = auth('n,,\x01auth=Bearer a.b.c\x01\x01', 'OAUTHBEARER');
  const OAUTH2 = auth('\0alice\0a.b.c', 'X-OAUTH2');
  const challenge = (status: string): string =>
    `to-client <challenge xmlns="${NS_SASL}">${plain(`{"status":"${status}","schemes":"bearer"}`)}</challenge>`;

  function offered(change: Partial<SessionProxyOptions> = {}) {
    const says = session({ areTokensChecked: true, ...change });
    says.opens('example.com');
    says.ready(OFFER);
    return says;
  }

  it.each([
    ['OAUTHBEARER', BEARER],
    ['X-OAUTH2', OAUTH2],
  ])('%s passes untouched once the token is good', (_name, text) => {
    const says = offered();
    expect(says.client(text)).toEqual(['judge-token a.b.c for example.com']);
    const [passed] = says.handle({ kind: 'token-judged', verdict: { user: 'Alice' } });
    expect(passed).toContain(/>([^<]+)</.exec(text)?.[1]);
    expect(says.server(`<success xmlns="${NS_SASL}"/>`)).toEqual(['signed-in alice@example.com']);
  });

  it('tells OAUTHBEARER why before it fails (RFC 7628 §3.2.3)', () => {
    const says = offered();
    says.client(BEARER);
    expect(says.handle({ kind: 'token-judged', verdict: 'stale' })).toEqual([challenge('invalid_token')]);
    expect(says.client(`<response xmlns="${NS_SASL}">AQ==</response>`)).toEqual([
      'count token-refused',
      expect.stringContaining('<not-authorized/>'),
    ]);
    says.client(BEARER);
    expect(says.handle({ kind: 'token-judged', verdict: 'scope' })).toEqual([
      challenge('insufficient_scope'),
    ]);
  });

  it.each([
    ['a forged token', 'invalid', ['failed undefined', 'count token-refused'], 'not-authorized'],
    ['the token of another', { user: 'bob' }, ['failed undefined', 'count token-refused'], 'not-authorized'],
    ['an expired token', 'stale', ['count token-refused'], 'not-authorized'],
    ['a token that cannot be checked', 'unavailable', ['count token-unchecked'], 'temporary-auth-failure'],
  ] as const)('refuses %s', (_name, verdict, before, condition) => {
    const says = offered();
    says.client(OAUTH2);
    const said = says.handle({ kind: 'token-judged', verdict });
    expect(said).toEqual([...before, expect.stringContaining(`<${condition}/>`)]);
    expect(says.client(OAUTH2)).toEqual(['judge-token a.b.c for example.com']);
  });

  it('hears nothing of a client while it judges', () => {
    const says = offered();
    says.client(OAUTH2);
    expect(says.client(OAUTH2)[1]).toContain('<not-authorized');
    expect(says.handle({ kind: 'token-judged', verdict: { user: 'alice' } })).toEqual([]);
  });

  it('lets nobody try who is shut out', () => {
    const says = offered({ mayTry: (user) => user !== 'alice@example.com' });
    expect(says.client(OAUTH2)).toEqual([
      'count shut-out',
      expect.stringContaining('temporary-auth-failure'),
    ]);
  });

  it('names who failed when the server refuses', () => {
    const says = at('sign-in');
    says.client(auth());
    const said = says.server(`<failure xmlns="${NS_SASL}"><not-authorized/></failure>`);
    expect(said.slice(0, 2)).toEqual(['count sign-in-failed', 'failed alice@example.com']);
  });
});

describe('what a stanza may carry', () => {
  const ERROR = 'xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"';
  const OFFER = `<iq type="set" id="f" to="bob@example.com/x"><si xmlns="http://jabber.org/protocol/si"/></iq>`;
  const PING = (n: number): string =>
    `to-server <iq type="get" id="viaduct-${n}" to="example.com"><ping xmlns="urn:xmpp:ping"/></iq>`;

  it('no file from client to client: the server is pinged, and its answer becomes the error', () => {
    const says = at('bound');
    expect(says.client(OFFER)).toEqual(['count file-transfer-refused', PING(1)]);
    const other = '<iq type="result" id="viaduct-1" from="eve@example.com/x"/>';
    expect(says.server(other)).toEqual([`to-client ${other}`]);
    expect(says.server('<iq type="result" id="viaduct-1" from="example.com"/>')).toEqual([
      `to-client <iq type="error" id="f" from="bob@example.com/x"><error type="cancel"><not-acceptable ${ERROR}/><text ${ERROR} xml:lang="en">files from client to client are not allowed here</text></error></iq>`,
    ]);
    expect(says.server('<iq type="result" id="viaduct-1"/>')).toEqual([
      'to-client <iq type="result" id="viaduct-1"/>',
    ]);
  });

  it.each([
    [
      'Jingle',
      '<jingle xmlns="urn:xmpp:jingle:1"><description xmlns="urn:xmpp:jingle:apps:file-transfer:5"/></jingle>',
    ],
    ['bytes in band', '<open xmlns="http://jabber.org/protocol/ibb"/>'],
    ['SOCKS5', '<query xmlns="http://jabber.org/protocol/bytestreams"/>'],
    ['a prefix', '<x:si xmlns:x="http://jabber.org/protocol/si"/>'],
    ['an URL out of band', '<query xmlns="jabber:iq:oob"/>'],
  ])('%s is seen', (_name, payload) => {
    const says = at('bound');
    expect(says.client(`<iq type="set" id="f">${payload}</iq>`)[0]).toBe('count file-transfer-refused');
  });

  it('a request from inside arrives without its content, so that the client itself refuses', () => {
    const says = at('bound');
    const offer =
      '<iq type="set" id="f" from="bob@example.com/x" to="alice@example.com/x"><si xmlns="http://jabber.org/protocol/si"/></iq>';
    expect(says.server(offer)).toEqual([
      'count file-transfer-refused',
      'to-client <iq type="set" id="f" from="bob@example.com/x" to="alice@example.com/x"><blocked xmlns="urn:viaduct:blocked:0"/></iq>',
    ]);
  });

  it('an answer that may not pass becomes an error for who asked', () => {
    const says = at('bound');
    const [, sent] = says.client(
      '<iq type="result" id="f" to="bob@example.com/x"><si xmlns="http://jabber.org/protocol/si"/></iq>',
    );
    expect(sent).toContain('to-server <iq type="error" id="f" to="bob@example.com/x">');
  });

  it('only namespaces that the operator allows, and what every session needs', () => {
    const says = at('bound', {
      rulesOf: () => ({ allowedNamespaces: new Set(['urn:good']), isPeerFileTransferAllowed: true }),
    });
    for (const good of ['urn:good', 'jabber:iq:roster', 'urn:xmpp:ping'])
      expect(says.client(`<iq type="get" id="1"><q xmlns="${good}"/></iq>`)[0]).toContain(
        'to-server <iq type="get" id="1">',
      );
    expect(says.client('<message to="bob@example.com"><body>x</body></message>')[0]).toContain(
      '<body>x</body>',
    );
    expect(says.client('<message to="bob@example.com"><q xmlns="urn:bad"/></message>')).toEqual([
      'count namespace-refused',
      PING(1),
    ]);
    expect(says.server('<iq type="error" id="viaduct-1"/>')[0]).toContain(
      '<message type="error" from="bob@example.com">',
    );
  });

  it('keeps no more than a few refusals that the server does not answer', () => {
    const says = at('bound');
    for (let n = 0; n < 65; n += 1) says.client(OFFER);
    expect(says.server('<iq type="result" id="viaduct-1"/>')).toEqual([
      'to-client <iq type="result" id="viaduct-1"/>',
    ]);
    expect(says.server('<iq type="result" id="viaduct-2"/>')[0]).toContain('not-acceptable');
  });
});
