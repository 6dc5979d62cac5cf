// The receiving end row by row: what a server says, what it gets back. Every hostile row ends without a stanza let through
// (T-085, T-086).
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NS_SERVER } from '../namespaces.ts';
import { StreamParser } from '../stream-parser.ts';
import { dialbackKey, isOurKey } from './dialback.ts';
import type { DomainPair } from './domain.ts';
import {
  type PairPolicy,
  type ReceivingAction,
  type ReceivingInput,
  ReceivingStream,
} from './receiving-stream.ts';

const SECRET = 'ours';
const LIMITS = { maxElementLength: 4096, maxDepth: 8, maxAttributes: 16, maxElements: 64 };
const OPEN = (from?: string, to = 'example.com'): string =>
  `<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' version='1.0' to='${to}'${from === undefined ? '' : ` from='${from}'`}>`;
const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const EXTERNAL = (name = ''): string =>
  `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>${name === '' ? '=' : Buffer.from(name).toString('base64')}</auth>`;
const RESULT = (from: string, to = 'example.com', key = 'key'): string =>
  `<db:result from='${from}' to='${to}'>${key}</db:result>`;
const MESSAGE = (from = 'bob@partner.test/x', to = 'alice@example.com'): string =>
  `<message from='${from}' to='${to}'><body>hello</body></message>`;

/** One peer: speaks text, hears actions, as `kind` or `kind:detail`. */
class Peer {
  readonly machine: ReceivingStream;
  readonly written: string[] = [];
  readonly asked: Extract<ReceivingAction, { kind: 'verify' }>['question'][] = [];
  #parser = this.#fresh();
  #ids = 0;

  constructor(policy: (pair: DomainPair) => PairPolicy = () => 'certificate') {
    this.machine = new ReceivingStream({
      newId: () => `id-${(this.#ids += 1)}`,
      name: 'edge.example.com',
      serves: (domain) => domain === 'example.com' || domain === 'chat.example.com',
      policyOf: policy,
      isOurKey: (question) => isOurKey(SECRET, question),
      maxPairs: 3,
      maxQuestions: 4,
    });
  }

  says(...texts: readonly string[]): string[] {
    return texts.flatMap((text) => {
      const heard: string[] = [];
      this.#parser.write(Buffer.from(text), (event) => heard.push(...this.gets({ kind: 'event', event })));
      return heard;
    });
  }

  gets(input: ReceivingInput): string[] {
    return this.machine.handle(input).map((action) => this.#note(action));
  }

  /** Through STARTTLS with a certificate that covers these domains. */
  secured(...covered: readonly string[]): this {
    this.says(OPEN('partner.test'), STARTTLS);
    this.#parser = this.#fresh();
    this.gets({ kind: 'secured', covers: (domain) => covered.includes(domain) });
    this.written.length = 0;
    return this;
  }

  /** Through SASL EXTERNAL and the new stream. */
  proven(): this {
    this.secured('partner.test').says(OPEN('partner.test'), EXTERNAL());
    this.#parser = this.#fresh();
    this.says(OPEN('partner.test'));
    this.written.length = 0;
    return this;
  }

  #fresh(): StreamParser {
    return new StreamParser(LIMITS, NS_SERVER);
  }

  #note(action: ReceivingAction): string {
    switch (action.kind) {
      case 'write':
        this.written.push(action.text);
        return 'write';
      case 'verify':
        this.asked.push(action.question);
        return 'verify';
      case 'end':
        this.written.push(action.text);
        return `end:${/<stream:error><([a-z-]+)/.exec(action.text)?.[1] ?? ''}`;
      case 'count':
        return `count:${action.event}`;
      case 'proven':
        return `proven:${action.pair.from}>${action.pair.to} by ${action.by}`;
      case 'stanza':
        return `stanza:${action.stanza.from}>${action.stanza.to}`;
      default:
        return action.kind;
    }
  }

  get said(): string {
    return this.written.join('');
  }
}

const dialback = (): PairPolicy => 'dialback';

describe('before TLS (T-085)', () => {
  it('offers TLS and nothing else', () => {
    const peer = new Peer();
    expect(peer.says(OPEN('partner.test'))).toEqual(['write']);
    expect(peer.said).toContain('<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"><required/></starttls>');
    expect(peer.said).not.toMatch(/features:dialback|mechanisms/);
    expect(peer.says(STARTTLS)).toEqual(['write', 'start-tls']);
  });

  it.each([
    ['a stanza', MESSAGE(), 'policy-violation'],
    ['dialback', RESULT('partner.test'), 'policy-violation'],
    [
      'a question about a key',
      "<db:verify from='a.test' to='example.com' id='1'>k</db:verify>",
      'policy-violation',
    ],
    ['a sign-in', EXTERNAL(), 'policy-violation'],
    ['something after starttls', STARTTLS + MESSAGE(), 'policy-violation'],
  ])('%s ends the stream', (_name, text, condition) => {
    const heard = new Peer(dialback).says(OPEN('partner.test') + text);
    expect(heard.at(-1)).toBe(`end:${condition}`);
    expect(heard.join()).not.toMatch(/proven|stanza:|verify/);
  });
});

describe('after TLS', () => {
  it('offers EXTERNAL to whom the certificate covers, and takes stanzas of that pair', () => {
    const peer = new Peer().secured('partner.test');
    peer.says(OPEN('partner.test'));
    expect(peer.said).toContain('<mechanism>EXTERNAL</mechanism>');
    expect(peer.says(EXTERNAL('partner.test'))).toEqual([
      'write',
      'restart',
      'proven:partner.test>example.com by certificate',
    ]);
    expect(new Peer().proven().says(MESSAGE())).toEqual(['stanza:partner.test>example.com']);
  });

  it.each<[string, readonly string[], string, string]>([
    [
      'a domain of ours that we do not serve',
      ['partner.test'],
      OPEN('partner.test', 'other.test'),
      'host-unknown',
    ],
    ['no domain of ours', ['partner.test'], OPEN('partner.test', 'not a domain'), 'host-unknown'],
    ['an address as its domain', ['partner.test'], OPEN('bob@partner.test'), 'invalid-from'],
    ['an IP address', ['partner.test'], OPEN('192.0.2.1'), 'invalid-from'],
    ['a stanza before a proof', ['partner.test'], OPEN('partner.test') + MESSAGE(), 'not-authorized'],
    [
      'a proof it began elsewhere',
      ['partner.test'],
      `${OPEN('partner.test')}<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`,
      'not-authorized',
    ],
    [
      'an answer to no question',
      ['partner.test'],
      `${OPEN('partner.test')}<db:result from='partner.test' to='example.com' type='valid'/>`,
      'bad-format',
    ],
  ])('%s ends the stream', (_name, covered, text, condition) => {
    expect(
      new Peer(dialback)
        .secured(...covered)
        .says(text)
        .at(-1),
    ).toBe(`end:${condition}`);
  });

  it.each<[PairPolicy, string]>([
    ['denied', 'policy-violation'],
    ['unknown', 'host-unknown'],
    ['unavailable', 'remote-connection-failed'],
  ])('a pair that is %s ends with %s', (policy, condition) => {
    expect(new Peer(() => policy).secured('partner.test').says(OPEN('partner.test')).at(-1)).toBe(
      `end:${condition}`,
    );
  });

  it.each([
    ['no certificate', [], EXTERNAL('partner.test')],
    ['the certificate of another', ['evil.test'], EXTERNAL('partner.test')],
    ['another name than in the header', ['partner.test', 'other.test'], EXTERNAL('other.test')],
    [
      'base64 of nothing',
      ['partner.test'],
      "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>*</auth>",
    ],
    [
      'another mechanism',
      ['partner.test'],
      "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>",
    ],
  ])('EXTERNAL with %s fails, and at last ends the stream (T-086)', (_name, covered, auth) => {
    const peer = new Peer().secured(...covered);
    peer.says(OPEN('partner.test'));
    for (let n = 0; n < 4; n += 1) expect(peer.says(auth)).toEqual(['count:external-refused', 'write']);
    expect(peer.says(auth).at(-1)).toBe('end:policy-violation');
    expect(peer.said).toContain('<not-authorized/>');
  });

  it('a stream that goes on as another domain ends', () => {
    for (const header of [OPEN('evil.test'), OPEN('partner.test', 'chat.example.com')]) {
      const peer = new Peer().secured('partner.test', 'evil.test');
      peer.says(OPEN('partner.test'), EXTERNAL());
      const fresh = new StreamParser(LIMITS, NS_SERVER);
      const heard: string[] = [];
      fresh.write(Buffer.from(header), (event) => heard.push(...peer.gets({ kind: 'event', event })));
      expect(heard.at(-1)).toBe('end:invalid-from');
    }
  });
});

describe('stanzas of a proven pair (T-086)', () => {
  it.each([
    ['our own domain as sender', MESSAGE('alice@example.com'), 'invalid-from'],
    ['another partner as sender', MESSAGE('bob@other.test'), 'invalid-from'],
    ['a domain below the partner', MESSAGE('bob@chat.partner.test'), 'invalid-from'],
    ['another domain of ours', MESSAGE('bob@partner.test', 'room@chat.example.com'), 'improper-addressing'],
    ['a stranger as receiver', MESSAGE('bob@partner.test', 'carol@third.test'), 'improper-addressing'],
    ['no sender', "<message to='alice@example.com'/>", 'improper-addressing'],
    ['no receiver', "<message from='bob@partner.test'/>", 'improper-addressing'],
    ['two at signs', MESSAGE('bob@example.com@partner.test'), 'improper-addressing'],
    ['another element', '<other/>', 'unsupported-stanza-type'],
    [
      'a stanza of clients',
      "<message xmlns='jabber:client' from='bob@partner.test' to='alice@example.com'/>",
      'unsupported-stanza-type',
    ],
  ])('%s ends the stream', (_name, text, condition) => {
    const heard = new Peer().proven().says(text);
    expect(heard.at(-1)).toBe(`end:${condition}`);
    expect(heard.join()).not.toContain('stanza:');
  });

  it('compares domains in one form', () => {
    expect(new Peer().proven().says(MESSAGE('bob@PARTNER.test', 'alice@EXAMPLE.com'))).toEqual([
      'stanza:partner.test>example.com',
    ]);
  });
});

describe('dialback (T-086)', () => {
  it('is refused to whom it is not allowed', () => {
    const peer = new Peer().secured();
    peer.says(OPEN('partner.test'));
    expect(peer.says(RESULT('partner.test'))).toEqual(['count:dialback-refused', 'write']);
    expect(peer.said).toContain('<not-allowed');
    expect(peer.says(MESSAGE()).at(-1)).toBe('end:not-authorized');
  });

  it('asks the authoritative server about the key and the id of this stream', () => {
    const peer = new Peer(dialback).secured();
    peer.says(OPEN('partner.test'));
    expect(peer.says(RESULT('partner.test'))).toEqual(['verify']);
    const [question] = peer.asked;
    expect(question).toMatchObject({ from: 'partner.test', to: 'example.com', key: 'key', id: 'id-2' });
    expect(peer.says(MESSAGE()).at(-1)).toBe('end:not-authorized');
  });

  it.each([
    ['valid', ['write', 'proven:partner.test>example.com by dialback']],
    ['invalid', ['count:dialback-invalid', 'write']],
    ['remote-server-timeout', ['count:dialback-invalid', 'write']],
  ] as const)('the answer %s', (result, expected) => {
    const peer = new Peer(dialback).secured();
    peer.says(OPEN('partner.test'), RESULT('partner.test'));
    const question = peer.asked[0]!;
    expect(peer.gets({ kind: 'verified', question, result })).toEqual(expected);
    expect(peer.gets({ kind: 'verified', question, result: 'valid' })).toEqual([]);
  });

  it('is answered without a question where the certificate covers the domain; several domains share a connection', () => {
    const peer = new Peer().secured('partner.test', 'chat.partner.test');
    peer.says(OPEN('partner.test'));
    expect(peer.says(RESULT('partner.test'), RESULT('chat.partner.test'))).toEqual([
      'write',
      'proven:partner.test>example.com by certificate',
      'write',
      'proven:chat.partner.test>example.com by certificate',
    ]);
    expect(peer.says(RESULT('partner.test', 'chat.example.com')).at(-1)).toBe(
      'proven:partner.test>chat.example.com by certificate',
    );
    expect(peer.says(RESULT('chat.partner.test', 'chat.example.com'))).toEqual(['count:pairs-full', 'write']);
    expect(peer.says(RESULT('evil.test'))).toEqual(['count:pairs-full', 'write']);
  });

  it('a claim for a domain that is not ours is answered so', () => {
    const peer = new Peer(dialback).secured();
    peer.says(OPEN('partner.test'));
    expect(peer.says(RESULT('partner.test', 'third.test'))).toEqual(['count:domain-unknown', 'write']);
    expect(peer.said).toContain('<item-not-found');
  });

  it('says of a key whether it is ours, and no more often than it should', () => {
    const peer = new Peer(dialback).secured();
    peer.says(OPEN('partner.test'));
    const key = dialbackKey(SECRET, { from: 'example.com', to: 'partner.test' }, 'stream');
    const ask = (asked: string): string =>
      `<db:verify from='partner.test' to='example.com' id='stream'>${asked}</db:verify>`;
    expect(peer.says(ask(key))).toEqual(['write']);
    expect(peer.said).toContain('type="valid"');
    expect(peer.says(ask('0'.repeat(64)))).toEqual(['count:key-forged', 'write']);
    expect(peer.says(ask(key).replace('stream', 'other')).at(0)).toBe('count:key-forged');
    peer.says(ask(key));
    expect(peer.says(ask(key)).at(-1)).toBe('end:policy-violation');
  });
});

it('lets no stanza through but of a pair that was proven before, whatever is said in whatever order', () => {
  const domains = fc.constantFrom('partner.test', 'chat.partner.test', 'evil.test', 'example.com');
  const text = fc.oneof(
    fc.constantFrom(STARTTLS, EXTERNAL(), EXTERNAL('evil.test'), '</stream:stream>', '<a/>'),
    domains.map((from) => RESULT(from)),
    fc.tuple(domains, domains).map(([from, to]) => MESSAGE(`a@${from}`, `b@${to}`)),
  );
  const answer = fc.record({
    verified: fc.constantFrom('valid' as const, 'invalid' as const),
    nth: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.boolean(), fc.array(fc.oneof(text, answer), { maxLength: 12 }), (isSecured, inputs) => {
      const peer = new Peer(dialback);
      if (isSecured) peer.secured('chat.partner.test');
      const heard = peer.says(OPEN('partner.test'));
      for (const input of inputs) {
        if (typeof input === 'string') {
          if (heard.at(-1)?.startsWith('end') === true) break;
          heard.push(...peer.says(input));
        } else {
          const question = peer.asked[input.nth];
          if (question !== undefined)
            heard.push(...peer.gets({ kind: 'verified', question, result: input.verified }));
        }
      }
      const proven = new Set<string>();
      for (const one of heard) {
        const [kind, what = ''] = one.split(/:(.*)/);
        if (kind === 'proven') proven.add(what.split(' ')[0] ?? '');
        if (kind === 'stanza') expect([...proven]).toContain(what);
      }
      if (!isSecured) expect([...proven]).toEqual([]);
    }),
  );
});
