// Pairs of chat clients over TLS from the first byte: one writes, the other reads, so many messages under way per pair. They
// count messages by their bytes and parse nothing, so that the load costs little beside what is measured.
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';

export interface LoadDoor {
  readonly host: string;
  readonly port: number;
}

const STREAM = (domain: string): string =>
  `<?xml version='1.0'?><stream:stream to='${domain}' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>`;
const BODY = 'The quick brown fox jumps over the lazy dog while nobody looks at it.';
const WINDOW = 20;

/** Signs in over `door` and binds; resolves with a socket on which stanzas flow. A quiet client tells no presence. */
export async function signIn(
  door: LoadDoor,
  domain: string,
  user: string,
  password: string,
  { resource = 'load', isQuiet = false } = {},
): Promise<TLSSocket> {
  const socket = connect({
    ...door,
    servername: domain,
    rejectUnauthorized: false,
    ALPNProtocols: ['xmpp-client'],
  });
  await once(socket, 'secureConnect');
  const message = Buffer.from(`\0${user}\0${password}`).toString('base64');
  const auth = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${message}</auth>`;
  const bind = `<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${resource}</resource></bind></iq>`;
  await exchange(socket, STREAM(domain), '</stream:features>');
  await exchange(socket, auth, '<success');
  await exchange(socket, STREAM(domain), '</stream:features>');
  await exchange(socket, bind, '</iq>');
  socket.on('error', () => undefined);
  if (!isQuiet) await exchange(socket, '<presence/>', '<presence');
  return socket;
}

function exchange(socket: TLSSocket, text: string, until: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let seen = '';
    const done = (): void => {
      socket.off('data', read);
      socket.off('close', failed);
    };
    const failed = (): void => reject(new Error(`closed while waiting for ${until}: ${seen}`));
    const read = (chunk: Buffer): void => {
      seen += chunk.toString();
      if (!seen.includes(until)) return;
      done();
      resolve();
    };
    socket.on('data', read);
    socket.once('close', failed);
    socket.write(text);
  });
}

/** Pairs that are signed in and wait to be driven. */
export class XmppLoad {
  delivered = 0;
  #isRunning = false;
  readonly #pairs: { from: TLSSocket; to: TLSSocket; stanza: string }[] = [];

  /** Users `u0`, `u1`, … with one password; `u0` writes to `u1` and so on. */
  static async open(door: LoadDoor, domain: string, pairs: number, password: string): Promise<XmppLoad> {
    const load = new XmppLoad();
    for (let at = 0; at < pairs; at += 1) {
      const [writer, reader] = [`u${2 * at}`, `u${2 * at + 1}`];
      const from = await signIn(door, domain, writer, password);
      const to = await signIn(door, domain, reader, password);
      const stanza = `<message to='${reader}@${domain}/load' type='chat' id='m'><body>${BODY}</body></message>`;
      load.#drive({ from, to, stanza });
    }
    return load;
  }

  start(): void {
    this.#isRunning = true;
    for (const { from, stanza } of this.#pairs) from.write(stanza.repeat(WINDOW));
  }

  /** No more is written; what is under way still arrives. */
  stop(): void {
    this.#isRunning = false;
  }

  close(): void {
    for (const { from, to } of this.#pairs) for (const socket of [from, to]) socket.destroy();
  }

  #drive(pair: { from: TLSSocket; to: TLSSocket; stanza: string }): void {
    this.#pairs.push(pair);
    for (const socket of [pair.from, pair.to]) socket.on('error', () => undefined);
    pair.from.resume();
    let tail = '';
    pair.to.on('data', (chunk: Buffer) => {
      const text = tail + chunk.toString('latin1');
      const arrived = text.split('</message>').length - 1;
      tail = text.slice(-'</message>'.length + 1);
      if (tail.includes('</message>')) tail = '';
      this.delivered += arrived;
      if (this.#isRunning && arrived > 0) pair.from.write(pair.stanza.repeat(arrived));
    });
  }
}
