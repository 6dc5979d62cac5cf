// One GiB through the HTTPS door each way, at the pace of whoever is slower, in flat memory: door, core's end of the
// channel and client all live in this process, so its memory bounds them all.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dial, EDGE_NAME, limits, openDoor, type Rig } from '../../edge/https/test-door.ts';
import { type BodySink, HeaderList, type ServerExchange } from '../../http/index.ts';

const GIB = 1024 ** 3;
const MAX_GROWTH_BYTES = 256 * 1024 ** 2;
const LANE = Buffer.from('example.com/https/cucm.example.com/8443').toString('base64url');
const PIECE = Buffer.alloc(65_536, 'x');
const ok = { status: 200, reasonPhrase: 'OK', headers: new HeaderList() };

let rig: Rig;
beforeAll(async () => {
  rig = await openDoor({ client: { ...limits, maxBodyBytes: 2 * GIB } });
});
afterAll(() => rig.door.close('test over'));

/** The highest resident memory seen since the call, above what it was then. */
function watchMemory(): () => number {
  const before = process.memoryUsage.rss();
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  return () => {
    clearInterval(timer);
    return peak - before;
  };
}

/** Writes so many bytes into a sink, as fast as it takes them. */
function pour(sink: BodySink, bytes: number): void {
  let left = bytes;
  const go = (): void => {
    while (left > 0) {
      const piece = left >= PIECE.length ? PIECE : PIECE.subarray(0, left);
      left -= piece.length;
      if (!sink.write(piece)) return;
    }
    sink.onDrain = undefined;
    sink.end();
  };
  sink.onDrain = go;
  go();
}

test('download', async () => {
  rig.core.answer = (exchange: ServerExchange) => pour(exchange.start(ok, GIB), GIB);
  const client = await dial(rig.door);
  client.socket.removeAllListeners('data');
  const growth = watchMemory();
  const { promise, resolve } = Promise.withResolvers<number>();
  let received = 0;
  let head = -1;
  client.socket.on('data', (chunk: Buffer) => {
    if (head < 0) head = chunk.indexOf('\r\n\r\n') + 4;
    received += chunk.length;
    if (received - head >= GIB) resolve(received - head);
  });
  client.socket.write(`GET /${LANE}/large HTTP/1.1\r\nHost: ${EDGE_NAME}\r\n\r\n`);
  expect(await promise).toBe(GIB);
  expect(growth()).toBeLessThan(MAX_GROWTH_BYTES);
  client.socket.destroy();
});

test('upload', async () => {
  rig.core.answer = (exchange: ServerExchange) => {
    exchange.body.pipe({
      onDrain: undefined,
      write: () => true,
      // in a turn of its own: a duplex pair would bring the answer before the door has seen the end of the request
      end: () => void setImmediate(() => exchange.respond(ok, `got ${exchange.body.bytes}`)),
      abort: () => undefined,
    });
  };
  const client = await dial(rig.door);
  const growth = watchMemory();
  client.socket.write(`PUT /${LANE}/large HTTP/1.1\r\nHost: ${EDGE_NAME}\r\nContent-Length: ${GIB}\r\n\r\n`);
  for (let left = GIB; left > 0; left -= PIECE.length) {
    if (!client.socket.write(PIECE)) await new Promise((resolve) => client.socket.once('drain', resolve));
  }
  expect(await client.until(/got \d+$/)).toContain(`got ${GIB}`);
  expect(growth()).toBeLessThan(MAX_GROWTH_BYTES);
  client.socket.destroy();
});

test('a client that stops reading stops core, and takes no memory while it does', async () => {
  let sink: BodySink | undefined;
  let poured = 0;
  const { promise: full, resolve: isFull } = Promise.withResolvers<void>();
  rig.core.answer = (exchange: ServerExchange) => {
    sink = exchange.start(ok, GIB);
    const go = (): void => {
      while (sink?.write(PIECE) === true) poured += PIECE.length;
      poured += PIECE.length;
      setTimeout(isFull, 500);
    };
    sink.onDrain = go;
    go();
  };
  const client = await dial(rig.door);
  client.socket.pause();
  client.socket.write(`GET /${LANE}/large HTTP/1.1\r\nHost: ${EDGE_NAME}\r\n\r\n`);
  await full;
  expect(poured).toBeLessThan(32 * 1024 ** 2);
  const aborted = rig.core.until(() => rig.core.aborted.length > 0);
  client.socket.destroy();
  await aborted;
});
