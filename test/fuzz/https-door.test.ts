// The HTTPS door on a TLS socket under bytes that are nearly requests, cut anywhere. Core at the far end is a strict HTTP
// server, so that whatever the door let through in a shape of its own would be seen.
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { dial, EDGE_NAME, openDoor, type RawClient, type Rig } from '../../edge/https/test-door.ts';
import { HeaderList } from '../../http/index.ts';
import { HOSTILE_BODIES, HOSTILE_HEADS } from '../../http/test-hostile-requests.ts';
import { effort, patienceMs } from './effort.ts';
import { cut, cuts, nearly, turn } from './mutation.ts';

const LANE = Buffer.from('example.com/https/cucm.example.com/8443').toString('base64url');
const HOST = `Host: ${EDGE_NAME}\r\n`;

const good = [
  `GET /${LANE}/cucm-uds/version HTTP/1.1\r\n${HOST}Accept: */*\r\n\r\n`,
  `GET /${LANE}/a?b=c%20d HTTP/1.1\r\n${HOST}Cookie: a=b; X-Auth=c\r\nAuthorization: Basic YTpi\r\n\r\n`,
  `POST /${LANE}/p HTTP/1.1\r\n${HOST}Content-Type: text/xml\r\nContent-Length: 11\r\n\r\nhello world`,
  `PUT /${LANE}/q HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`,
  `HEAD /${LANE}/h HTTP/1.1\r\n${HOST}\r\n`,
];
const leaving = `GET /${LANE}/last HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;

let rig: Rig;
beforeAll(async () => {
  rig = await openDoor();
  rig.core.answer = (exchange) => {
    const answer = { status: 200, reasonPhrase: 'OK', headers: new HeaderList() };
    exchange.body.pipe({
      onDrain: undefined,
      write: () => true,
      // in a turn of its own: a duplex pair would bring the answer before the door has seen the end of the request
      end: () => void setImmediate(() => exchange.respond(answer, `got ${exchange.body.bytes}\n`)),
      abort: () => undefined,
    });
  };
});
beforeEach(() => void rig.core.seen.splice(0));
afterAll(() => rig.door.close('test over'));

async function say(client: RawClient, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    client.socket.write(piece, 'latin1');
    await turn();
  }
}

/** Answers without what differs from one to the next. */
const plain = (answers: string): string => answers.replaceAll(/^(TrackingID|Date): .*$/gim, '$1: *');

/** What core was asked, body included, without what differs from one to the next. */
const asked = (): string[] =>
  rig.core.seen
    .splice(0)
    .map(({ lines, exchange }) =>
      [...lines, `${exchange.body.bytes} bytes`].join('\n').replaceAll(/uuid-\d+/g, '*'),
    );

/** The first line of every answer; fails on anything that is none. */
function expectAnswers(text: string): void {
  if (text === '') return;
  expect(text).toMatch(/^HTTP\/1\.1 \d{3} [A-Za-z ]+\r\n/);
  for (const line of text.match(/^HTTP\/.*$/gm) ?? []) expect(line).toMatch(/^HTTP\/1\.1 [2-5]\d\d /);
}

test('the same requests cut in any way are the same requests', { timeout: patienceMs }, async () => {
  const some = fc.array(fc.constantFrom(...good), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(some, cuts, async (requests, places) => {
      const text = requests.join('') + leaving;
      const outcomes = [];
      for (const pieces of [[text], cut(text, places)]) {
        const client = await dial(rig.door);
        await say(client, pieces);
        outcomes.push({ answers: plain(await client.closed), asked: asked() });
      }
      expect(outcomes[1]).toEqual(outcomes[0]);
      expect(outcomes[0]?.asked).toHaveLength(requests.length + 1);
    }),
    effort(60),
  );
});

test(
  'good requests before a hostile one are answered, it is refused, what follows is never read',
  { timeout: patienceMs },
  async () => {
    const before = fc.array(fc.constantFrom(...good), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(before, fc.constantFrom(...HOSTILE_HEADS), cuts, async (requests, hostile, places) => {
        const client = await dial(rig.door);
        await say(client, cut(requests.join('') + hostile.raw + leaving, places));
        const answers = await client.closed;
        const statuses = (answers.match(/^HTTP\/1\.1 (\d{3}) /gm) ?? []).map((line) =>
          Number(line.split(' ')[1]),
        );
        expect(asked()).toHaveLength(requests.length);
        const answered = requests.map(() => 200);
        expect([answered, [...answered, hostile.status]]).toContainEqual(statuses);
      }),
      effort(60),
    );
  },
);

test(
  'whatever is said, the door answers in HTTP or not at all, and goes on serving',
  { timeout: patienceMs },
  async () => {
    const corpus = [...good, ...HOSTILE_HEADS, ...HOSTILE_BODIES].map((one) =>
      typeof one === 'string' ? one : one.raw,
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(nearly(corpus), { minLength: 1, maxLength: 3 }),
        cuts,
        async (texts, places) => {
          const client = await dial(rig.door);
          await say(client, cut(texts.join(''), places));
          client.socket.end();
          expectAnswers(await client.closed);
          for (const { lines } of rig.core.seen.splice(0)) {
            const [line = '', ...fields] = lines;
            expect(line).toMatch(/^[A-Z]+ \/[\w-]+\/[\u0021-\u007e]*$/);
            expect(
              fields.filter((field) => /^(trackingid|x-forwarded-for|via|host):/i.test(field)),
            ).toHaveLength(4);
          }
          const next = await dial(rig.door);
          next.socket.write(leaving);
          expect(await next.closed).toMatch(/^HTTP\/1\.1 200 /);
          rig.core.seen.splice(0);
        },
      ),
      effort(150),
    );
    while (rig.door.stats().connections > 0) await turn();
  },
);
