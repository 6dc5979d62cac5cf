// Edge's end of the SSH link (RFC 4252, 4253, 4254): lets in pinned cores only, and lets them do two things only, open
// the control subsystem and ask for the one forwarding that means "I serve HTTP channels".
// Trusts: a core whose key signed this session, to be that core and nothing more. Before that: nothing; admission
// bounds how many strangers wait, how long, and how much they may send.
import { type AddressInfo, type Server as NetServer, type Socket, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2, { type AuthContext, type Connection, type Session } from 'ssh2';
import type { Admission } from '../admission.ts';
import { type Clock, every } from '../clock.ts';
import { LinkError, peerWords } from '../link-error.ts';
import { type LinkWatchOptions, watchLink } from '../link-watch.ts';
import type { Count, LinkLog, StrangerWatch } from '../peer.ts';
import { ChannelGuard, type ChannelGuardOptions } from './channel-guard.ts';
import { blobFingerprint } from './fingerprint.ts';
import { CONTROL_SUBSYSTEM, HTTP_FORWARD, SSH_ALGORITHMS, SSH_IDENT, handshakeProblem } from './profile.ts';
import { corkPerTurn } from './cork.ts';
import { keepCompiledCiphers } from './kept-ciphers.ts';
import { installPacketMemory } from './packet-memory.ts';
import { socketOf } from './ssh2-internals.ts';

export interface SshServerOptions {
  readonly host: string;
  readonly port: number;
  /** Edge's SSH private key, OpenSSH text form. */
  readonly hostKey: string;
  readonly cores: readonly { readonly name: string; readonly sshKey: string }[];
  /** From TCP connection to open control channel. */
  readonly loginGraceMs: number;
  /** Bytes a stranger may send; a whole login takes about 3 KiB. */
  readonly maxStrangerBytes: number;
  readonly rekeyBytes: number;
  readonly rekeyIntervalMs: number;
  /** How long the peer may take to open or refuse a channel, or to finish a rekey. */
  readonly answerTimeoutMs: number;
  readonly channels: ChannelGuardOptions;
  readonly watch: LinkWatchOptions;
  readonly admission: Admission;
  /** Intrusion protection; left out: every stranger is heard. */
  readonly strangers?: StrangerWatch;
  readonly clock: Clock;
  readonly log: LinkLog;
  readonly count: Count;
  /** A core has logged in, opened its control channel and serves HTTP channels. */
  readonly onLink: (link: EdgeSshLink) => void;
  /** Someone who calls himself this core was refused, for the reason in words. */
  readonly onRefused: (core: string, words: string) => void;
}

/** One authenticated SSH connection, seen from edge. */
export interface EdgeSshLink {
  readonly core: string;
  /** Where it comes from. */
  readonly address: string;
  readonly control: Duplex;
  openHttp(): Promise<Duplex>;
  /** Ends the connection. Idempotent. */
  close(words: string): void;
  /** Resolves with the reason once the connection is gone. */
  readonly closed: Promise<string>;
}

/** Public-key attempts per connection: ours needs two messages, one asking and one signed. */
const MAX_LOGIN_MESSAGES = 4;

export class SshServer {
  readonly #options: SshServerOptions;
  readonly #tcp: NetServer;
  readonly #ssh: InstanceType<typeof ssh2.Server>;
  readonly #sockets = new Set<Socket>();

  constructor(options: SshServerOptions) {
    this.#options = options;
    this.#ssh = new ssh2.Server({
      hostKeys: [options.hostKey],
      ident: SSH_IDENT,
      algorithms: SSH_ALGORITHMS,
    });
    this.#ssh.on('connection', (connection) => this.#greeted(connection));
    this.#tcp = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#tcp.once('error', reject);
      this.#tcp.listen(this.#options.port, this.#options.host, () => {
        this.#tcp.off('error', reject);
        this.#tcp.on('error', (error) => this.#options.log.error({ err: error }, 'SSH listener failed'));
        resolve();
      });
    });
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Stops listening and ends every connection. */
  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => {
      this.#tcp.close(() => resolve());
    });
  }

  #accept(socket: Socket): void {
    const { admission, clock, loginGraceMs, maxStrangerBytes, count } = this.#options;
    socket.on('error', () => undefined);
    const address = socket.remoteAddress ?? '';
    if (this.#options.strangers?.admits(address) === false) {
      count('ssh-refused', 'banned');
      socket.destroy();
      return;
    }
    const place = admission.admit(address);
    if (!place.ok) {
      count('ssh-refused', place.reason);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const refuse = (reason: string): void => {
      count('ssh-refused', reason);
      becomeKnown(socket);
      socket.destroy();
    };
    const cancelGrace = clock.after(loginGraceMs, () => refuse('grace'));
    const measure = (chunk: Buffer): void => {
      const isFirst = socket.bytesRead === chunk.length;
      if (isFirst && !startsAsSsh(chunk)) misbehave('no-ssh');
      else if (socket.bytesRead > maxStrangerBytes) misbehave('stranger-bytes');
    };
    const misbehave = (reason: string): void => {
      this.#options.strangers?.misbehaved('protocol', address);
      refuse(reason);
    };
    strangers.set(socket, () => {
      cancelGrace();
      place.release();
      socket.off('data', measure);
    });
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (strangers.has(socket)) count('ssh-refused', 'left');
      becomeKnown(socket);
    });
    installPacketMemory();
    keepCompiledCiphers();
    corkPerTurn(socket);
    this.#ssh.injectSocket(socket);
    socket.on('data', measure);
  }

  #greeted(connection: Connection): void {
    const socket = socketOf(connection);
    connection.on('error', (error) => this.#options.log.debug({ err: error }, 'SSH connection failed'));
    if (socket) new EdgeConnection(connection, socket, this.#options).greet();
    else connection.end();
  }
}

/** RFC 4253 §4.2: a client begins with its identification; only a server may send other lines before. */
function startsAsSsh(chunk: Buffer): boolean {
  const begin = chunk.subarray(0, SSH_BEGIN.length);
  return begin.equals(SSH_BEGIN.subarray(0, begin.length));
}

const SSH_BEGIN = Buffer.from('SSH-2.0-');

/** Which part of ssh2 an error comes from. A packet that cannot be read is thrown bare; what a socket says has a code. */
function levelOf(error: object): unknown {
  if ('level' in error) return error.level;
  return 'code' in error ? 'socket' : 'protocol';
}

/** What still has to be undone for sockets that have not logged in. */
const strangers = new WeakMap<Socket, () => void>();

function becomeKnown(socket: Socket): void {
  strangers.get(socket)?.();
  strangers.delete(socket);
}

/** ssh2 answers a key it cannot use with an Error, which is truthy. */
function isVerified(answer: unknown): boolean {
  return answer === true;
}

class EdgeConnection {
  readonly #connection: Connection;
  readonly #socket: Socket;
  readonly #options: SshServerOptions;
  readonly #guard: ChannelGuard;
  readonly closed: Promise<string>;
  #words = 'the connection ended';
  #core: string | undefined;
  #loginMessages = 0;
  #forwards = false;
  #hasControl = false;

  constructor(connection: Connection, socket: Socket, options: SshServerOptions) {
    this.#connection = connection;
    this.#socket = socket;
    this.#options = options;
    this.#guard = new ChannelGuard(socket, options.channels, options.count);
    this.closed = new Promise((resolve) => socket.once('close', () => resolve(this.#words)));
  }

  /** Starts to listen to what the peer does after its greeting. */
  greet(): void {
    const connection = this.#connection;
    // ssh2 only half-closes after an error: a peer that goes on sending would keep a dead link
    connection.on('error', (error) => {
      if (this.#core === undefined && levelOf(error) === 'protocol') this.#misbehaved('protocol');
      this.close(peerWords(error));
    });
    connection.once('handshake', () => this.#checkHandshake());
    connection.on('authentication', (attempt) => this.#authenticate(attempt));
    connection.once('ready', () => this.#loggedIn());
  }

  #checkHandshake(): void {
    const problem = handshakeProblem(this.#connection);
    if (problem === undefined) return;
    this.#misbehaved('protocol');
    this.#refuse('strict-kex', problem);
  }

  /** RFC 4252 §7: first the client asks whether the key would do, then it signs. Only ed25519 keys are pinned. */
  #authenticate(attempt: AuthContext): void {
    this.#loginMessages += 1;
    if (this.#loginMessages > MAX_LOGIN_MESSAGES) {
      this.#misbehaved('auth');
      return this.#refuse('login-messages', 'too many login attempts');
    }
    if (attempt.method !== 'publickey') return attempt.reject(['publickey']);
    const core = this.#options.cores.find((peer) => peer.name === attempt.username);
    const fingerprint = blobFingerprint(attempt.key.data);
    if (!core || core.sshKey !== fingerprint || attempt.key.algo !== 'ssh-ed25519') {
      this.#unknownKey(core, attempt.username, fingerprint);
      return attempt.reject(['publickey']);
    }
    if (attempt.signature) {
      const key = ssh2.utils.parseKey(attempt.key.data);
      if (key instanceof Error || !attempt.blob || !isVerified(key.verify(attempt.blob, attempt.signature))) {
        this.#misbehaved('auth');
        return this.#refuse('signature', `the signature of ${core.name} is wrong`);
      }
      this.#core = core.name;
    }
    attempt.accept();
  }

  #unknownKey(core: { name: string; sshKey: string } | undefined, user: string, fingerprint: string): void {
    const { count, log } = this.#options;
    const from = this.#socket.remoteAddress;
    const words = core
      ? `core's SSH key is ${fingerprint}, the zone pins ${core.sshKey}: was it paired anew?`
      : 'a peer that the zone does not list tried to log in as a core';
    count('ssh-refused', core ? 'key' : 'name');
    if (core) this.#options.onRefused(core.name, words);
    // A listed core with another key was most likely paired anew: its operator reads why, and must not find it shut out.
    else this.#misbehaved('auth');
    log.warn({ from, core: user.slice(0, 253), words }, 'SSH login refused');
  }

  /** From here on the peer is the core it says. It may do two things; everything else is refused by ssh2 unheard. */
  #loggedIn(): void {
    const connection = this.#connection;
    connection.on('request', (accept, reject, name, info) => {
      const wanted =
        name === 'tcpip-forward' &&
        info.bindAddr === HTTP_FORWARD.address &&
        info.bindPort === HTTP_FORWARD.port;
      if (!wanted || this.#forwards) return reject?.();
      this.#forwards = true;
      accept?.();
    });
    connection.on('session', (accept, reject) => {
      if (this.#hasControl) return reject();
      this.#hasControl = true;
      this.#session(accept());
    });
  }

  #session(session: Session): void {
    session.on('subsystem', (accept, reject, info) => {
      if (info.name !== CONTROL_SUBSYSTEM || !this.#forwards) return reject();
      this.#up(this.#guard.adoptControl(accept()));
    });
  }

  #up(control: Duplex): void {
    const core = this.#core;
    if (core === undefined) return this.#refuse('name', 'logged in without a name');
    becomeKnown(this.#socket);
    watchLink(this.#socket, this.#options.watch, (words) => this.close(words));
    this.#scheduleRekey();
    control.once('close', () => this.close('the control channel was closed'));
    this.#options.onLink({
      core,
      address: this.#socket.remoteAddress ?? '',
      control,
      openHttp: () => this.#openHttp(),
      close: (words) => this.close(words),
      closed: this.closed,
    });
  }

  #openHttp(): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new LinkError('closed', 'the link to core is gone'));
      if (!this.#guard.reserve())
        return reject(new LinkError('busy', 'all HTTP channels to this core are in use'));
      let late = false;
      const cancel = this.#options.clock.after(this.#options.answerTimeoutMs, () => {
        late = true;
        reject(new LinkError('timeout', 'core does not open an HTTP channel'));
      });
      const opened = (error: Error | undefined, channel?: ssh2.Channel): void => {
        cancel();
        if (error || !channel) {
          this.#guard.unreserve();
          return reject(
            new LinkError(this.#socket.destroyed ? 'closed' : 'refused', 'core refuses an HTTP channel', {
              cause: error,
            }),
          );
        }
        const guarded = this.#guard.adopt(channel);
        if (late) guarded.destroy();
        resolve(guarded);
      };
      try {
        this.#connection.forwardOut(HTTP_FORWARD.address, HTTP_FORWARD.port, 'edge', 1, opened);
      } catch (error) {
        opened(error instanceof Error ? error : new Error('the SSH connection is gone'));
      }
    });
  }

  /** RFC 4253 §9 asks for new keys each gigabyte or hour; ssh2 never does it by itself. */
  #scheduleRekey(): void {
    const { clock, rekeyBytes, rekeyIntervalMs, answerTimeoutMs } = this.#options;
    let bytes = this.#bytes();
    let at = clock.now();
    let began: number | undefined;
    const stop = every(clock, Math.min(1000, rekeyIntervalMs / 2), () => {
      if (began !== undefined && clock.now() - began > answerTimeoutMs)
        this.close('core does not finish a key exchange');
      if (began !== undefined || (this.#bytes() - bytes < rekeyBytes && clock.now() - at < rekeyIntervalMs))
        return;
      began = clock.now();
      this.#connection.rekey((...results: unknown[]) => {
        if (results[0] instanceof Error) return this.close('keys could not be renewed');
        began = undefined;
        bytes = this.#bytes();
        at = clock.now();
        this.#options.count('ssh-rekey');
      });
    });
    this.#socket.once('close', stop);
  }

  #bytes(): number {
    return this.#socket.bytesRead + this.#socket.bytesWritten;
  }

  #misbehaved(kind: 'auth' | 'protocol'): void {
    this.#options.strangers?.misbehaved(kind, this.#socket.remoteAddress ?? '');
  }

  #refuse(reason: string, words: string): void {
    this.#options.count('ssh-refused', reason);
    becomeKnown(this.#socket);
    this.#options.log.warn(
      { from: this.#socket.remoteAddress, core: this.#core, words },
      'SSH connection refused',
    );
    this.close(words);
  }

  #say(words: string): void {
    if (this.#words === 'the connection ended') this.#words = words;
  }

  close(words: string): void {
    this.#say(words);
    this.#socket.destroy();
  }
}
