// One phone of the load generator: a TLS connection, SIP by string search, one exchange at a time. It is as light as it
// can be, so that the proxies are the bottleneck; it reads only what it needs to go on, and counts everything else as a
// failure. Debian's SIPp has no TLS, and a TLS wrapper before it would have been the bottleneck.
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';

export interface PhoneOptions {
  readonly host: string;
  readonly port: number;
  /** Address of its own end. */
  readonly from: string;
  readonly user: string;
  readonly domain: string;
  /** Host that requests are for. */
  readonly target: string;
  /** Route of its settings, if it was given one. */
  readonly route: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly method: string;
  /** The head as text. */
  readonly head: string;
}

const HEAD_END = Buffer.from('\r\n\r\n');

export class Phone {
  readonly user: string;
  onAnswer: (answer: Answer) => void = () => undefined;
  onGone: (reason: string) => void = () => undefined;
  readonly #socket: TLSSocket;
  readonly #options: PhoneOptions;
  #waiting: Buffer | undefined;
  #sequence = 0;

  /** Connects; rejects when the handshake fails. The peer's certificate is not what is measured and is not checked. */
  static async open(options: PhoneOptions): Promise<Phone> {
    const { host, port, from: localAddress } = options;
    const raw = connectTcp({ host, port, localAddress, noDelay: true });
    const socket = connect({ socket: raw, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return new Phone(options, socket);
  }

  private constructor(options: PhoneOptions, socket: TLSSocket) {
    this.user = options.user;
    this.#options = options;
    this.#socket = socket;
    socket.on('error', (error) => this.onGone(error.message));
    socket.on('close', () => this.onGone('closed'));
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** REGISTER for an hour. */
  register(): void {
    const { target, user, domain } = this.#options;
    const sequence = this.#next();
    this.#socket.write(
      `REGISTER sip:${target} SIP/2.0\r\n${this.#via(sequence)}${this.#route()}` +
        `From: <sip:${user}@${domain}>;tag=r${sequence}\r\nTo: <sip:${user}@${domain}>\r\n` +
        `Call-ID: reg-${user}@${this.#options.from}\r\nCSeq: ${sequence} REGISTER\r\n` +
        `Contact: ${this.#contact()};+sip.instance="<urn:uuid:00000000-0000-0000-0000-${user.padStart(12, '0')}>"\r\n` +
        `Supported: replaces,join,sdp-anat,norefersub,path\r\nExpires: 3600\r\nUser-Agent: bench\r\nContent-Length: 0\r\n\r\n`,
    );
  }

  /** INVITE; the answer's head is needed for `hangUp`. */
  invite(callee: string, description: string): void {
    const { target, user, domain } = this.#options;
    const sequence = this.#next();
    const type = description === '' ? '' : 'Content-Type: application/sdp\r\n';
    this.#socket.write(
      `INVITE sip:${callee}@${target} SIP/2.0\r\n${this.#via(sequence)}${this.#route()}` +
        `From: <sip:${user}@${domain}>;tag=c${sequence}\r\nTo: <sip:${callee}@${target}>\r\n` +
        `Call-ID: call-${sequence}-${user}@${this.#options.from}\r\nCSeq: 1 INVITE\r\n` +
        `Contact: ${this.#contact()}\r\nAllow: INVITE,ACK,BYE,CANCEL,OPTIONS,UPDATE\r\nUser-Agent: bench\r\n` +
        `${type}Content-Length: ${description.length}\r\n\r\n${description}`,
    );
  }

  /** ACK and BYE of a call that was answered, in one write. */
  hangUp(answer: Answer): void {
    const { head } = answer;
    const remote = /^Contact: *<([^>]+)>/im.exec(head)?.[1] ?? '';
    const routes = head
      .split('\r\n')
      .filter((line) => line.startsWith('Record-Route:'))
      .flatMap((line) => line.slice(13).split(','))
      .toReversed()
      .map((value) => `Route: ${value.trim()}\r\n`)
      .join('');
    const same = ['From', 'To', 'Call-ID'].map((name) => `${line(head, name)}\r\n`).join('');
    const request = (method: string, cseq: number): string =>
      `${method} ${remote} SIP/2.0\r\n${this.#via(this.#next())}${routes}${same}CSeq: ${cseq} ${method}\r\n` +
      `User-Agent: bench\r\nContent-Length: 0\r\n\r\n`;
    this.#socket.write(request('ACK', 1) + request('BYE', 2));
  }

  close(): void {
    this.onGone = () => undefined;
    this.#socket.destroy();
  }

  #next(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  #via(sequence: number): string {
    const { from, user } = this.#options;
    return `Via: SIP/2.0/TLS ${from}:5061;branch=z9hG4bK${user}-${sequence}-${this.#socket.localPort};rport\r\nMax-Forwards: 70\r\n`;
  }

  #route(): string {
    const { route } = this.#options;
    return route === undefined ? '' : `Route: ${route}\r\n`;
  }

  #contact(): string {
    const { from, user } = this.#options;
    return `<sip:${user}@${from}:${this.#socket.localPort};transport=tls>`;
  }

  #read(chunk: Buffer): void {
    let bytes = this.#waiting === undefined ? chunk : Buffer.concat([this.#waiting, chunk]);
    this.#waiting = undefined;
    for (let end = bytes.indexOf(HEAD_END); end >= 0; end = bytes.indexOf(HEAD_END)) {
      const head = bytes.toString('latin1', 0, end);
      const whole = end + 4 + contentLength(head);
      if (whole > bytes.length) break;
      bytes = bytes.subarray(whole);
      if (head.startsWith('SIP/2.0 '))
        this.onAnswer({ status: Number(head.slice(8, 11)), method: method(head), head });
      else if (head !== '') this.onGone(`was sent a request: ${head.split('\r\n')[0]}`);
    }
    if (bytes.length > 0) this.#waiting = bytes;
  }
}

function contentLength(head: string): number {
  const at = head.indexOf('\r\nContent-Length:');
  return at < 0 ? 0 : Number.parseInt(head.slice(at + 17, at + 30), 10);
}

function method(head: string): string {
  const at = head.indexOf('\r\nCSeq:');
  const end = head.indexOf('\r\n', at + 2);
  return head.slice(head.lastIndexOf(' ', end < 0 ? head.length : end) + 1, end < 0 ? head.length : end);
}

function line(head: string, name: string): string {
  const at = head.indexOf(`\r\n${name}:`);
  const end = head.indexOf('\r\n', at + 2);
  return head.slice(at + 2, end < 0 ? head.length : end);
}
