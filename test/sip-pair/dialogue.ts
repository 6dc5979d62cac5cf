// Plays a dialogue written as plain text against a running pair: who sends what, who must receive what.
//
//   phone sends:
//     OPTIONS sip:edge.example.com SIP/2.0
//     Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bK{n}
//     ...
//   phone receives:
//     SIP/2.0 200 OK
//     ...
//
// In what is received, `{name}` captures up to the end of what may stand there the first time and must be equal
// afterwards; in what is sent it is put in. `*` matches anything within a line; a line `...` skips any lines. Content-Length is written
// by the player. What is received must otherwise be equal, line by line and in order.
import type { Duplex } from 'node:stream';
import { SipStreamFramer } from '../../sip/index.ts';

/** One end of a connection that a dialogue speaks through. */
export class Actor {
  readonly name: string;
  readonly #stream: Duplex;
  readonly #framer = new SipStreamFramer({ maxMessageBytes: 65_536, maxHeaderLines: 256 });
  readonly #received: string[] = [];
  readonly #waiting: ((message: string) => void)[] = [];
  isClosed = false;
  readonly closed: Promise<void>;

  constructor(name: string, stream: Duplex) {
    this.name = name;
    this.#stream = stream;
    stream.on('error', () => undefined);
    stream.on('end', () => stream.destroy());
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    this.closed = new Promise((resolve) => {
      stream.once('close', () => {
        this.isClosed = true;
        for (const wake of this.#waiting.splice(0)) wake('(closed)');
        resolve();
      });
    });
  }

  send(message: string): void {
    this.#stream.write(Buffer.from(message, 'latin1'));
  }

  /** A keepalive of RFC 5626 §4.4.1; its answer is received as '(pong)'. */
  ping(): void {
    this.#framer.pingSent();
    this.#stream.write('\r\n\r\n');
  }

  /** The next message; '(closed)' when there will be none. */
  receive(): Promise<string> {
    const next = this.#received.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (this.isClosed) return Promise.resolve('(closed)');
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Messages that came and that nobody has asked for. */
  get unread(): readonly string[] {
    return this.#received;
  }

  close(): void {
    this.#stream.destroy();
  }

  #take(chunk: Buffer): void {
    for (const event of this.#framer.push(chunk)) {
      const text = event.kind === 'message' ? event.message.print().toString('latin1') : `(${event.kind})`;
      if (text.startsWith('SIP/2.0 100 ')) continue; // every hop's own business
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#received.push(text);
      else waiting(text);
    }
  }
}

/** What dialogues remember between their parts. */
export type Captures = Map<string, string>;

/** Plays one dialogue; rejects with the first difference, in words. */
export async function play(
  text: string,
  actors: Readonly<Record<string, Actor>>,
  captures: Captures = new Map(),
): Promise<Captures> {
  for (const { who, what, lines } of stepsOf(text)) {
    const actor = actors[who];
    if (actor === undefined) throw new Error(`nobody is called ${who}`);
    if (what === 'sends') actor.send(printed(lines, captures));
    else check(`${who} receives`, await actor.receive(), lines, captures);
  }
  return captures;
}

interface Step {
  readonly who: string;
  readonly what: 'sends' | 'receives';
  readonly lines: string[];
}

function stepsOf(text: string): Step[] {
  const steps: Step[] = [];
  for (const line of text.split('\n')) {
    const head = /^\s*(\w+) (sends|receives):\s*$/.exec(line);
    const [, who, what] = head ?? [];
    if (who !== undefined) steps.push({ who, what: what === 'sends' ? 'sends' : 'receives', lines: [] });
    else steps.at(-1)?.lines.push(line.trim());
  }
  for (const { lines } of steps) while (lines.at(-1) === '') lines.pop();
  return steps;
}

function printed(lines: readonly string[], captures: Captures): string {
  const filled = lines.map((line) =>
    line.replaceAll(/\{(\w+)\}/g, (_, name: string) => captures.get(name) ?? `{${name}}`),
  );
  const blank = filled.indexOf('');
  const head = blank < 0 ? filled : filled.slice(0, blank);
  const body =
    blank < 0
      ? ''
      : filled
          .slice(blank + 1)
          .map((line) => `${line}\r\n`)
          .join('');
  return `${head.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function check(where: string, message: string, expected: readonly string[], captures: Captures): void {
  const got = message.split('\r\n').filter((line) => !/^Content-Length:/i.test(line));
  while (got.at(-1) === '') got.pop();
  let at = 0;
  let maySkip = false;
  for (const line of expected) {
    if (line === '...') {
      maySkip = true;
      continue;
    }
    if (maySkip) at = nextMatch(line, got, at, captures);
    const found = got[at];
    if (found === undefined || !matches(line, found, captures)) fail(where, line, found, message);
    maySkip = false;
    at += 1;
  }
  if (!maySkip && at < got.length) fail(where, '(end)', got[at], message);
}

/** Index of the first line from `at` that matches, or of the end. */
function nextMatch(pattern: string, lines: readonly string[], from: number, captures: Captures): number {
  let at = from;
  while (at < lines.length && !matches(pattern, lines[at] ?? '', captures)) at += 1;
  return at;
}

function fail(where: string, wanted: string, found: string | undefined, message: string): never {
  throw new Error(`${where}: wanted\n  ${wanted}\nfound\n  ${found ?? '(end)'}\nin\n${message}`);
}

function matches(pattern: string, line: string, captures: Captures): boolean {
  const names: string[] = [];
  const source = pattern.replaceAll(/\{(\w+)\}|\*|[\\^$.|?+()[\]{}]/g, (part, name: string | undefined) => {
    if (part === '*') return '.*';
    if (name === undefined) return `\\${part}`;
    const known = captures.get(name);
    if (known !== undefined) return known.replaceAll(/[\\^$.|?*+()[\]{}]/g, '\\$&');
    names.push(name);
    return '(.+?)';
  });
  const match = new RegExp(`^${source}$`).exec(line);
  if (match === null) return false;
  for (const [index, name] of names.entries()) captures.set(name, match[index + 1] ?? '');
  return true;
}
