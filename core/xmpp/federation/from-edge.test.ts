// What an edge, also a captured one, may bring for a partner: the pair is judged again, each stanza is judged again (T-086).
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { printServerHeader, type ServerStanza } from '../../../xmpp/s2s/index.ts';
import { FrameReader, printFrame } from '../../../zones/index.ts';
import { FromEdge } from './from-edge.ts';

const PAIR = { from: 'partner.test', to: 'example.com' };
const LIMITS = { maxElementLength: 1_000, maxDepth: 8, maxAttributes: 16, maxElements: 64 };
const chat = (from = 'bob@partner.test', to = 'alice@example.com'): string =>
  `<message from="${from}" to="${to}"><body>hello</body></message>`;

function brought(room = (): boolean => true) {
  const [edge, link] = duplexPair();
  const heard = { stanzas: [] as ServerStanza[], counted: [] as string[], ends: [] as string[], overs: 0 };
  let resume: () => void = () => undefined;
  const frames = new FrameReader(1_000);
  edge.on('data', (chunk: Buffer) => {
    for (const { type, payload } of frames.read(chunk)) heard.ends.push(`${type} ${payload.toString()}`);
  });
  const stream = new FromEdge(link, {
    limits: LIMITS,
    maxFrameBytes: 10_000,
    isAllowed: ({ from, to }) => from === PAIR.from && to === PAIR.to,
    send: (stanza, run) => {
      resume = run;
      heard.stanzas.push(stanza);
      return room();
    },
    onRead: () => undefined,
    onOpen: () => undefined,
    onOver: () => (heard.overs += 1),
    count: (event, reason) => heard.counted.push(`${event} ${reason ?? ''}`.trim()),
  });
  return { edge, link, heard, stream, resume: () => resume() };
}

const open = (pair = PAIR): Buffer => printFrame('open', printServerHeader(pair));
const elements = (text: string): Buffer => printFrame('elements', text);

describe('a stream of an edge', () => {
  it('carries stanzas of its pair, in order', async () => {
    const { edge, heard, stream } = brought();
    edge.write(open());
    edge.write(elements(chat() + chat('bob@partner.test/2')));
    edge.write(printFrame('close', ''));
    await once(edge, 'end');
    expect(heard.stanzas.map(({ head }) => head.from)).toEqual(['bob@partner.test', 'bob@partner.test/2']);
    expect([stream.pair, heard.overs, heard.counted]).toEqual(['partner.test example.com', 1, []]);
  });

  it.each<[string, readonly Buffer[], string, string]>([
    ['for another partner', [open({ ...PAIR, from: 'stranger.test' })], 'policy-violation', 'pair-refused'],
    [
      'for another domain of ours',
      [open({ ...PAIR, to: 'other.example.com' })],
      'policy-violation',
      'pair-refused',
    ],
    ['turned round', [open({ from: PAIR.to, to: PAIR.from })], 'policy-violation', 'pair-refused'],
    ['without a pair', [elements(chat())], 'internal-server-error', 'edge-refused header'],
    ['with two pairs', [open(), open()], 'internal-server-error', 'edge-refused syntax'],
    [
      'with a sender of ours',
      [open(), elements(chat('alice@example.com'))],
      'internal-server-error',
      'edge-refused address',
    ],
    [
      'with another partner’s sender',
      [open(), elements(chat('a@other.test'))],
      'internal-server-error',
      'edge-refused address',
    ],
    [
      'with another receiver',
      [open(), elements(chat('a@partner.test', 'a@other.test'))],
      'internal-server-error',
      'edge-refused address',
    ],
    ['without addresses', [open(), elements('<message/>')], 'internal-server-error', 'edge-refused address'],
    [
      'with dialback',
      [open(), elements('<db:result from="partner.test" to="example.com" type="valid"/>')],
      'internal-server-error',
      'edge-refused stanza-type',
    ],
    [
      'with an endless stanza',
      [open(), elements(`<message>${'x'.repeat(2_000)}`)],
      'internal-server-error',
      'edge-refused length',
    ],
    [
      'with half a stanza and an end',
      [open(), elements('</stream:stream>')],
      'internal-server-error',
      'edge-refused order',
    ],
    [
      'with a frame that is core’s',
      [printFrame('write', 'x')],
      'internal-server-error',
      'edge-refused frame',
    ],
    ['with no frame', [Buffer.from('GET / HTTP/1.1\r\n\r\n')], 'internal-server-error', 'edge-refused frame'],
    [
      'with a frame without end',
      [Buffer.from([2, 0xff, 0xff, 0xff, 0xff])],
      'internal-server-error',
      'edge-refused frame',
    ],
  ])('%s is ended, and nothing of it goes inward (T-086)', async (_name, sent, condition, counted) => {
    const { edge, heard } = brought();
    for (const chunk of sent) edge.write(chunk);
    await once(edge, 'end');
    expect([heard.ends, heard.stanzas, heard.counted, heard.overs]).toEqual([
      [`end ${condition}`],
      [],
      [counted],
      1,
    ]);
  });

  it('is left unread while its road is full', async () => {
    let isOpen = false;
    const { edge, link, heard, resume } = brought(() => isOpen);
    edge.write(open());
    edge.write(elements(chat()));
    await expect.poll(() => link.isPaused()).toBe(true);
    isOpen = true;
    resume();
    edge.write(elements(chat()));
    await expect.poll(() => heard.stanzas.length).toBe(2);
  });
});
