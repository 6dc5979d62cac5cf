import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { HeaderList } from '../../http/index.ts';
import { NS_CLIENT, NS_FRAMING, NS_SASL, printHeader, printStreamError } from '../../xmpp/index.ts';
import { FramedStream } from './framed-stream.ts';
import { WebSocketDoor } from './web-socket-door.ts';

const LIMITS = { maxElementLength: 4096, maxDepth: 8, maxAttributes: 8, maxElements: 16 };
const OPEN = `<open xmlns="${NS_FRAMING}" to="example.com" version="1.0"/>`;

let server: Server;
let refused: string[];
let streams: FramedStream[];
let onStream: (stream: FramedStream) => void;

beforeEach(async () => {
  [refused, streams, onStream] = [[], [], () => undefined];
  const door = new WebSocketDoor({ maxMessageBytes: 1000, origins: ['https://chat.example.com'] });
  const onRefused = (reason: string): void => void refused.push(reason);
  server = createServer();
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    const fields = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const);
    door.accept(HeaderList.of(...fields), socket, {
      onRefused,
      onOpen: (webSocket) => {
        const setTimeout = (): void => undefined;
        const stream = new FramedStream(webSocket, {
          framing: LIMITS,
          server: LIMITS,
          onRefused,
          setTimeout,
        });
        streams.push(stream);
        onStream(stream);
      },
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  for (const stream of streams) stream.destroy();
  server.closeAllConnections();
  server.close();
});

function connect(): WebSocket {
  return new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, ['xmpp']);
}

/** What the stream says when a client sends these messages, up to its end. */
async function read(...messages: readonly (string | Buffer)[]): Promise<string> {
  let text = '';
  const over = new Promise<void>((resolve) => {
    onStream = (stream) => {
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      stream.once('close', () => resolve());
    };
  });
  const client = connect();
  client.on('error', () => undefined);
  await once(client, 'open');
  for (const message of messages) client.send(message);
  client.close();
  await over;
  return text;
}

describe('what a client says in messages', () => {
  it('becomes a stream', async () => {
    const stanza = `<message xmlns="${NS_CLIENT}"><body>x</body></message>`;
    const said = await read(OPEN, stanza, `<close xmlns='${NS_FRAMING}'/>`);
    expect(said).toBe(`${printHeader({ to: 'example.com' })}${stanza}</stream:stream>`);
    expect(refused).toEqual([]);
  });

  it.each([
    ['bytes that are no text', Buffer.from(OPEN), 'header'],
    ['the tag of a stream', printHeader({ to: 'example.com' }), 'header'],
    ['a stream under another prefix', '<s:stream xmlns:s="http://etherx.jabber.org/streams">', 'header'],
    ['an end tag', '</stream:stream>', 'header'],
    ['a declaration', '<?xml version="1.0"?>', 'header'],
    ['a document type', '<!DOCTYPE x>', 'header'],
    ['space before the element', ` ${OPEN}`, 'header'],
    ['nothing', '', 'header'],
    ['an opening of another namespace', '<open xmlns="urn:x"/>', 'header'],
    ['an opening without a version', `<open xmlns="${NS_FRAMING}"/>`, 'header'],
    ['an opening that does not end', `<open xmlns="${NS_FRAMING}" version="1.0">`, 'header'],
    ['an opening and more', `${OPEN}<message/>`, 'header'],
    ['an opening that is no XML', '<open a=b/>', 'syntax'],
  ])('%s is refused', async (_name, message, reason) => {
    expect(await read(message, OPEN)).toBe('');
    expect(refused).toEqual([reason]);
  });

  it('is no longer than a message may be', async () => {
    expect(await read(OPEN, `<message>${'x'.repeat(1000)}</message>`)).toBe(
      printHeader({ to: 'example.com' }),
    );
  });
});

it('each element for a client is a message that declares what it uses', async () => {
  onStream = (stream) => {
    stream.write(
      `${printHeader({ from: 'example.com', id: 'i', lang: 'en' })}<stream:features><mechanisms xmlns="${NS_SASL}"/></stream:features>`,
    );
    stream.write(`<success xmlns="${NS_SASL}"/>`);
    stream.write(`${printHeader({ from: 'example.com', id: 'j' })}<stream:features/>`);
    stream.write(`<message id="1"/><message id='2' xml:lang='de'><body>é</body></message>`);
    stream.end(printStreamError('conflict', 'x'));
  };
  const seen: string[] = [];
  const client = connect();
  client.on('message', (data: Buffer) => seen.push(data.toString()));
  await once(client, 'close');
  const streams_ = 'xmlns:stream="http://etherx.jabber.org/streams"';
  expect(seen).toEqual([
    `<open xmlns="${NS_FRAMING}" from="example.com" id="i" xml:lang="en" version="1.0"/>`,
    `<stream:features ${streams_}><mechanisms xmlns="${NS_SASL}"/></stream:features>`,
    `<success xmlns="${NS_SASL}"/>`,
    `<open xmlns="${NS_FRAMING}" from="example.com" id="j" version="1.0"/>`,
    `<stream:features ${streams_}/>`,
    `<message id="1" xmlns="${NS_CLIENT}"/>`,
    `<message id="2" xml:lang="de" xmlns="${NS_CLIENT}"><body>é</body></message>`,
    expect.stringMatching(/^<stream:error .*<conflict/),
    `<close xmlns="${NS_FRAMING}"/>`,
  ]);
});

it('outlives a client that is gone while something is written to it, and a core that sends no stream', async () => {
  const closed = Promise.withResolvers<void>();
  onStream = (stream) => {
    stream.once('close', () => closed.resolve());
    client.terminate();
    stream.resume();
    for (let n = 0; n < 100; n += 1)
      stream.write(n === 0 ? printHeader({ from: 'a', id: 'i' }) : '<message/>');
  };
  const client = connect();
  client.on('error', () => undefined);
  await closed.promise;
  const over = Promise.withResolvers<void>();
  onStream = (stream) => {
    stream.once('close', () => over.resolve());
    stream.resume();
    stream.write('no stream at all');
  };
  connect().on('error', () => undefined);
  await over.promise;
});
