// Seconds of what `npm run bench -- flood` does for minutes: calls through edge and core under a flood of packets that
// nobody has authenticated. Memory stays where it is, the calls go on, what is refused has a name.
import { expect, test } from 'vitest';
import { loadBinding } from '../../media/native/binding.ts';
import { flood } from '../bench/flood-stage.ts';
import { compilerPresent, libsrtpPresent } from '../bench/media-load.ts';

const SECONDS = 5;
const MIB = 1 << 20;

const ready = process.platform === 'linux' && compilerPresent && libsrtpPresent;
if (!ready) process.stderr.write('skipped: media under a flood: needs Linux, gcc and libsrtp2-dev\n');
const engines = 'missing' in loadBinding() ? (['portable'] as const) : (['native', 'portable'] as const);

test.skipIf(!ready).each(engines)(
  '%s engine: T-030, T-031 at full rate',
  async (engine) => {
    const { kind, before, during, after, floodPackets, held } = await flood({
      engine,
      calls: 20,
      seconds: SECONDS,
    });
    expect(kind).toBe(engine);
    expect(floodPackets).toBeGreaterThan(10_000);
    // A busy machine may lose some packets of any call; a flood that gets in the way loses most.
    for (const { received, sent, wrong } of [before, ...during, after]) {
      expect(received / sent).toBeGreaterThan(0.5);
      expect(wrong).toBe(0);
    }
    const [first, last] = [held[0]!, held.at(-1)!];
    expect(last.heapBytes - first.heapBytes).toBeLessThan(4 * MIB);
    expect(last.residentBytes - first.residentBytes).toBeLessThan(32 * MIB);
    expect(last.counted['media-hello-refused unknown-link']).toBeGreaterThan(0);
    expect(last.counted['media-bad-tags']).toBeGreaterThan(0);
    // A token bucket per port lets a trickle through to core, the link port a bounded number of hellos to JavaScript.
    expect(last.counted['media-hello-refused unknown-link']).toBeLessThan(200 * (SECONDS + 3) * 2);
  },
  60_000,
);
