// Streams between servers under bytes that are nearly right, cut anywhere. Whatever a partner with a certificate for one domain
// says, no stanza passes but of its own pair; what passes means the same to core, which parses it again, as it did to edge;
// and nothing is thrown but the parser's own error.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  InitiatingServerStream,
  isOurKey,
  type ReceivingAction,
  ReceivingStream,
  readStanza,
  type ServerStanza,
} from '../../xmpp/s2s/index.ts';
import { NS_SERVER, StreamError, StreamParser } from '../../xmpp/index.ts';
import { effort, patienceMs } from './effort.ts';
import { cut, cuts, nearly } from './mutation.ts';

const LIMITS = { maxElementLength: 16_384, maxDepth: 32, maxAttributes: 32, maxElements: 256 };
const OPEN =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' version='1.0' from='partner.test' to='example.com' id='x'>";
const EXTERNAL =
  "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>cGFydG5lci50ZXN0</auth>";
const RESULT = "<db:result from='partner.test' to='example.com'>key</db:result>";
const VERIFY = "<db:verify from='partner.test' to='example.com' id='i'>key</db:verify>";
const STANZAS =
  "<message from='bob@partner.test/x' to='alice@example.com' type='chat' xml:lang='en'><body>a &lt; b &amp; c</body><x xmlns='urn:x' y='&quot;'><z:z xmlns:z='urn:z' z:a='1'/></x></message>" +
  "<presence from='bob@partner.test' to='alice@example.com' type='subscribe'/>" +
  "<iq from='partner.test' to='example.com' type='get' id='1'><query xmlns='jabber:iq:version'/></iq>";
const dialogues = [
  OPEN + RESULT + STANZAS,
  OPEN + VERIFY + RESULT + STANZAS,
  OPEN + EXTERNAL,
  OPEN + STANZAS,
];

/** What edge lets through of a text. */
function passed(text: string, places: readonly number[]): ServerStanza[] {
  const machine = new ReceivingStream({
    newId: () => 'id',
    name: 'edge.example.com',
    serves: (domain) => domain === 'example.com',
    policyOf: () => 'certificate',
    isOurKey: (question) => isOurKey('secret', question),
    maxPairs: 4,
    maxQuestions: 8,
  });
  machine.handle({ kind: 'secured', covers: (domain) => domain === 'partner.test' });
  const parser = new StreamParser(LIMITS, NS_SERVER);
  const actions: ReceivingAction[] = [];
  try {
    for (const piece of cut(text, places))
      parser.write(Buffer.from(piece, 'latin1'), (event) =>
        actions.push(...machine.handle({ kind: 'event', event })),
      );
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
  }
  return actions.flatMap((action) => (action.kind === 'stanza' ? [action.stanza] : []));
}

/** The same stanzas as core reads them from what edge printed. */
function readAgain(stanzas: readonly ServerStanza[]): ServerStanza[] {
  const parser = new StreamParser({ ...LIMITS, maxElementLength: 6 * LIMITS.maxElementLength }, NS_SERVER);
  const found: ServerStanza[] = [];
  const text = OPEN + stanzas.map((stanza) => stanza.text).join('');
  parser.write(Buffer.from(text), (event) => {
    if (event.kind === 'element') found.push(readStanza(event));
  });
  return found;
}

test('good dialogues pass', () => {
  expect(passed(OPEN + RESULT + STANZAS, []).map(({ head }) => head.name)).toEqual([
    'message',
    'presence',
    'iq',
  ]);
  expect(passed(OPEN + STANZAS, [])).toEqual([]);
});

test(
  'nothing passes but stanzas of the proven pair, and core reads them as edge did',
  { timeout: patienceMs },
  () => {
    fc.assert(
      fc.property(nearly(dialogues), cuts, (text, places) => {
        const stanzas = passed(text, places);
        for (const { from, to } of stanzas) expect(`${from} ${to}`).toBe('partner.test example.com');
        expect(readAgain(stanzas)).toEqual(stanzas);
      }),
      effort(3_000),
    );
  },
);

test(
  'what a server says to us is never ready without its word, and throws nothing',
  { timeout: patienceMs },
  () => {
    const features = '<stream:features><dialback xmlns="urn:xmpp:features:dialback"/></stream:features>';
    const word = "<db:result from='partner.test' to='example.com' type='valid'/>";
    const good = [OPEN + features + word, OPEN + features, OPEN + word];
    fc.assert(
      fc.property(nearly(good), cuts, (text, places) => {
        const machine = new InitiatingServerStream(
          { from: 'example.com', to: 'partner.test' },
          { kind: 'stanzas', key: () => 'key' },
        );
        machine.secured();
        const parser = new StreamParser(LIMITS, NS_SERVER);
        const kinds: string[] = [];
        try {
          for (const piece of cut(text, places))
            parser.write(Buffer.from(piece, 'latin1'), (event) =>
              kinds.push(...machine.handle(event).map(({ kind }) => kind)),
            );
        } catch (error) {
          if (!(error instanceof StreamError)) throw error;
        }
        if (kinds.includes('ready')) expect(text).toMatch(/db:result[^]*valid/);
        expect(kinds.filter((kind) => kind === 'failed').length).toBeLessThanOrEqual(1);
      }),
      effort(2_000),
    );
  },
);
