// The control channel beside a peer that may be captured: what it can make this side do is bounded.
import { duplexPair, type Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../test-clock.ts';
import { ControlStream } from './channel.ts';
import { CONTROL_VERSION, FrameDecoder, printFrame, type ControlFrame } from './frame.ts';
import { LINK_PROTOCOL } from './hello.ts';

let clock: ManualClock;
let peer: Duplex;
let warnings: object[];
let counts: Map<string, number>;
let answers: ControlFrame[];

const notify = (type: string, body: unknown): ControlFrame => ({
  v: CONTROL_VERSION,
  kind: 'notify',
  id: 0,
  type,
  body,
});

beforeEach(() => {
  clock = new ManualClock();
  warnings = [];
  counts = new Map();
  answers = [];
  const [ours, theirs] = duplexPair();
  peer = theirs;
  const decoder = new FrameDecoder();
  peer.on('data', (chunk: Buffer) => answers.push(...decoder.push(chunk)));
  const hello = { protocol: LINK_PROTOCOL, name: 'core1', software: 'x', configHash: '' };
  const stream = new ControlStream(
    ours,
    { name: 'edge1', zone: 'inside', zoneId: 1 },
    {
      hello,
      maxOutstanding: 10,
      maxHandling: 4,
      pingIntervalMs: 1000,
      helloTimeoutMs: 5000,
      silentAfterMs: 600_000,
      requestTimeoutMs: 1000,
      maxQueuedBytes: 1_000_000,
      handlers: {
        'media.idle': () => {
          throw new Error('no such session');
        },
      },
      clock,
      log: {
        debug: () => undefined,
        info: () => undefined,
        error: () => undefined,
        warn: (fields) => void warnings.push(fields),
      },
      count: (event, reason) =>
        void counts.set(`${event} ${reason}`, (counts.get(`${event} ${reason}`) ?? 0) + 1),
    },
    { onReady: () => undefined, onMeasured: () => undefined, onBroken: () => undefined },
  );
  expect(stream.peer.name).toBe('edge1');
  const wallTimeMs = clock.wall();
  peer.write(printFrame(notify('hello', { ...hello, name: 'edge1', wallTimeMs })));
});

async function refusedMessages(from: number, to: number): Promise<void> {
  for (let id = from; id < to; id += 1) {
    peer.write(printFrame({ v: CONTROL_VERSION, kind: 'request', id, type: 'media.idle', body: {} }));
    await nextTurn();
  }
}

test('a peer that sends nonsense cannot fill the log: each message is answered and counted, few are told', async () => {
  await refusedMessages(1, 51);
  expect(answers.filter(({ kind }) => kind === 'error')).toHaveLength(50);
  expect(counts.get('control-drop refused')).toBe(50);
  expect(warnings).toHaveLength(1);
  clock.advance(10_000);
  await refusedMessages(51, 53);
  expect(warnings).toHaveLength(2);
  expect(warnings[1]).toMatchObject({ untold: 49 });
});
