import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../clock.ts';
import { CORE, EDGE, Recorder, clientOptions, pairForTest, serverOptions, zoneOf } from '../test-zone.ts';
import { createTraversalClient } from '../traversal-client.ts';
import { createTraversalServer } from '../traversal-server.ts';
import { type CoreEndOptions, openEdgeEnd, serveCoreEnd, type XmppLink } from './index.ts';

const life = { pingIntervalMs: 60, deadAfterMs: 400, clock: systemClock };
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A zone whose edge and core have messaging on; `onSession` is core's. */
async function linked(onSession: CoreEndOptions['onSession'], maxSessions = 100) {
  const pair = await pairForTest();
  const recorder = new Recorder();
  const links: XmppLink[] = [];
  const server = createTraversalServer(
    serverOptions(zoneOf(pair, EDGE), recorder, {
      onXmpp: (socket, { name }) => {
        const onEnd = (): void => recorder.record('ended');
        links.push(openEdgeEnd(socket, { ...life, coreName: name, maxSessions, onEnd }));
        recorder.record('linked');
      },
    }),
  );
  await server.listen();
  const client = createTraversalClient(
    clientOptions(zoneOf(pair, CORE), server.addresses(), recorder, {
      onXmpp: (socket) => serveCoreEnd(socket, { ...life, maxSessions, onSession }),
    }),
  );
  const up = recorder.next('linked');
  client.start();
  await up;
  closers.push(
    () => client.close('end of test'),
    () => server.close('end of test'),
  );
  return { recorder, server, client, link: (): XmppLink => links.at(-1)! };
}

const echo = (stream: Duplex): void => void stream.pipe(stream);

describe('the XMPP link', () => {
  it('carries a stream for each session, all at once', async () => {
    const { link, server, client } = await linked(echo);
    const streams = Array.from({ length: 50 }, () => link().open());
    const answers = streams.map(async (stream, n) => {
      stream.write(`session ${n}`);
      const [chunk] = (await once(stream, 'data')) as [Buffer];
      return chunk.toString();
    });
    expect(await Promise.all(answers)).toEqual(streams.map((_, n) => `session ${n}`));
    expect(link().sessions).toBe(50);
    const closed = streams.map((stream) => once(stream, 'close'));
    for (const stream of streams) stream.resume().end();
    await Promise.all(closed);
    expect(link().sessions).toBe(0);
    expect([server.status()[0]?.planes.xmpp?.state, client.status()[0]?.planes.xmpp?.state]).toEqual([
      'up',
      'up',
    ]);
  });

  it('holds back a session that is not read, and no other', async () => {
    const stuck: Duplex[] = [];
    const { link } = await linked((stream) => (stuck.length === 0 ? void stuck.push(stream) : echo(stream)));
    const slow = link().open();
    slow.write(Buffer.alloc(1024 * 1024));
    const other = link().open();
    other.write(Buffer.alloc(1024 * 1024));
    let read = 0;
    for await (const chunk of other as AsyncIterable<Buffer>) {
      read += chunk.length;
      if (read === 1024 * 1024) break;
    }
    expect(slow.writableNeedDrain).toBe(true);
    const drained = once(slow, 'drain');
    stuck[0]?.resume();
    await drained;
  });

  it('ends every session when it ends, and comes back', async () => {
    const { recorder, link } = await linked(echo);
    const streams = [link().open(), link().open()];
    const closed = streams.map((stream) => once(stream, 'close'));
    const back = recorder.next('linked');
    link().close('cut by the test');
    await Promise.all([...closed, recorder.next('ended'), back]);
    const [again] = [link().open()];
    again.write('again');
    expect(String((await once(again, 'data'))[0])).toBe('again');
  });

  it('says where the client is, if it is an address', async () => {
    const seen: (string | undefined)[] = [];
    const { link } = await linked((stream, _path, address) => {
      seen.push(address);
      stream.end('x');
    });
    for (const address of ['192.0.2.1', '2001:db8::1', 'not an address', undefined])
      await once(link().open('/', address), 'data');
    expect(seen).toEqual(['192.0.2.1', '2001:db8::1', undefined, undefined]);
  });

  it('refuses more sessions than it may have', async () => {
    const { link } = await linked(echo, 2);
    link().open();
    link().open();
    expect(() => link().open()).toThrow('full');
  });

  it('is no plane at all where messaging is off', async () => {
    const pair = await pairForTest();
    const server = createTraversalServer(serverOptions(zoneOf(pair, EDGE), new Recorder()));
    await server.listen();
    closers.push(() => server.close('end of test'));
    expect(server.addresses().xmpp).toBe(0);
    expect(server.status()[0]?.planes).not.toHaveProperty('xmpp');
  });
});
