// How fast stanzas are read, in one process: slices, our parser, saxes alone, ltx alone (its own tokeniser, which checks
// little). Argument: seconds per turn (1). The work is 64 KiB of messages, presence and contact lists, in reads of 16 KiB.
import { Parser as LtxParser } from 'ltx';
import { SaxesParser } from 'saxes';
import { NS_CLIENT, NS_STREAMS, StanzaStream, type StreamLimits, StreamParser } from '../../xmpp/index.ts';
import { median, spread } from './sip-measure.ts';

const LIMITS: StreamLimits = {
  maxElementLength: 262_144,
  maxDepth: 64,
  maxAttributes: 64,
  maxElements: 8192,
};
const OPEN = `<stream:stream xmlns="${NS_CLIENT}" xmlns:stream="${NS_STREAMS}" version="1.0">`;
const READ_BYTES = 16_384;
const ROUNDS = 5;

const message = (n: number): string =>
  `<message from='alice@example.com/desk' to='bob@example.com/desk' type='chat' id='m${n}'><body>The quick brown fox &amp; the lazy dog, café ${n}</body><active xmlns='http://jabber.org/protocol/chatstates'/></message>`;
const presence = `<presence from="bob@example.com/desk" to="alice@example.com/desk"><show>away</show><status>in a meeting</status><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://example.com" ver="QgayPKawpkPSDYmwT/WM94uAlu0="/></presence>`;
const roster = `<iq type='result' id='r' to='alice@example.com/desk'><query xmlns='jabber:iq:roster'>${`<item jid='someone@example.com' name='Some One' subscription='both'><group>Colleagues</group></item>`.repeat(20)}</query></iq>`;

function work(): readonly Buffer[] {
  let text = '';
  for (let n = 0; text.length < 65_536; n += 1)
    text += message(n) + (n % 4 === 0 ? presence : '') + (n % 40 === 0 ? roster : '');
  const all = Buffer.from(text);
  return Array.from({ length: Math.ceil(all.length / READ_BYTES) }, (_, n) =>
    all.subarray(n * READ_BYTES, (n + 1) * READ_BYTES),
  );
}

/** What takes bytes until it is thrown away; made anew for each turn. */
type Make = () => (chunk: Buffer) => void;

function ours(make: () => Pick<StreamParser, 'write'> | StanzaStream): Make {
  return () => {
    const parser = make();
    parser.write(Buffer.from(OPEN), () => undefined);
    return (chunk) => parser.write(chunk, () => undefined);
  };
}

const SIDES: Readonly<Record<string, Make>> = {
  'slices (edge and core)': ours(() => new StanzaStream(LIMITS)),
  'our parser, elements': ours(() => new StreamParser(LIMITS)),
  'saxes alone': () => {
    const saxes = new SaxesParser({ xmlns: true });
    const decoder = new TextDecoder();
    saxes.write(OPEN);
    return (chunk) => void saxes.write(decoder.decode(chunk, { stream: true }));
  },
  'ltx alone': () => {
    const ltx = new LtxParser();
    const decoder = new TextDecoder();
    ltx.write(OPEN);
    return (chunk) => ltx.write(decoder.decode(chunk, { stream: true }));
  },
};

/** Megabytes per second. */
function measure(make: Make, chunks: readonly Buffer[], ms: number): number {
  const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
  const began = performance.now();
  let read = 0;
  // The element model of ltx alone grows with its stream, so nobody reads for long.
  while (performance.now() - began < ms) {
    const write = make();
    for (let turn = 0; turn < 8; turn += 1) for (const chunk of chunks) write(chunk);
    read += 8 * bytes;
  }
  return read / 1000 / (performance.now() - began);
}

export function run([seconds = '1']: readonly string[]): Promise<void> {
  const chunks = work();
  const rates = new Map(Object.keys(SIDES).map((name) => [name, [] as number[]]));
  for (let round = -1; round < ROUNDS; round += 1)
    for (const [name, make] of Object.entries(SIDES)) {
      const rate = measure(make, chunks, (Number(seconds) * 1000) / ROUNDS);
      if (round >= 0) rates.get(name)?.push(rate);
    }
  console.table([...rates].map(([what, list]) => ({ what, 'MB/s': spread(list) })));
  const of = (name: string): number => median(rates.get(name) ?? []);
  const [slices = '', elements = '', saxes = '', ltx = ''] = Object.keys(SIDES);
  const ratio = (one: string, other: string): number => Math.round((of(one) / of(other)) * 100) / 100;
  const ratios = {
    'vs saxes': ratio(slices, saxes),
    'vs ltx': ratio(slices, ltx),
    'elements vs saxes': ratio(elements, saxes),
  };
  console.log(JSON.stringify({ bench: 'xmpp-parser', ratios }));
  return Promise.resolve();
}
