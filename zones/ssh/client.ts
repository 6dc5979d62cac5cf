// Core's end of the SSH link: dials an edge, believes only the pinned host key, opens the control subsystem, and
// accepts HTTP channels. Everything else an edge may ask for (agent, X11, other forwardings) is refused.
// Trusts: nothing the edge says beyond who it is; a captured edge must not be able to hurt core (T-145).
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import type { Clock } from '../clock.ts';
import { type DialOptions, dial } from '../dial.ts';
import { LinkError, peerWords } from '../link-error.ts';
import { type LinkWatchOptions, watchLink } from '../link-watch.ts';
import type { Count, LinkLog } from '../peer.ts';
import { corkPerTurn } from './cork.ts';
import { keepCompiledCiphers } from './kept-ciphers.ts';
import { installPacketMemory } from './packet-memory.ts';
import { ChannelGuard, type ChannelGuardOptions } from './channel-guard.ts';
import { blobFingerprint, sshFingerprint } from './fingerprint.ts';
import { CONTROL_SUBSYSTEM, HTTP_FORWARD, SSH_ALGORITHMS, SSH_IDENT, handshakeProblem } from './profile.ts';
import { remoteIdent } from './ssh2-internals.ts';

export interface SshClientOptions {
  readonly dial: DialOptions;
  readonly edge: { readonly name: string; readonly sshHostKey: string };
  /** The name core logs in with: its own. */
  readonly coreName: string;
  /** Core's SSH private key, OpenSSH text form. */
  readonly key: string;
  /** From TCP connection to open control channel. */
  readonly loginTimeoutMs: number;
  readonly channels: ChannelGuardOptions;
  readonly watch: LinkWatchOptions;
  readonly clock: Clock;
  readonly log: LinkLog;
  readonly count: Count;
  /** Edge opened a channel; the receiver serves HTTP on it. */
  readonly onHttp: (channel: Duplex) => void;
}

/** One authenticated SSH connection, seen from core. */
export interface CoreSshLink {
  readonly control: Duplex;
  close(words: string): void;
  readonly closed: Promise<string>;
}

/** Dials and logs in. Rejects with `LinkError` whose message is the cause in words. */
export async function connectSsh(options: SshClientOptions): Promise<CoreSshLink> {
  const socket = await dial(options.dial);
  return new CoreConnection(socket, options).login();
}

class CoreConnection {
  readonly #socket: Socket;
  readonly #options: SshClientOptions;
  readonly #client = new ssh2.Client();
  readonly #guard: ChannelGuard;
  readonly #closed: Promise<string>;
  #words: string | undefined;
  #identity = false;

  constructor(socket: Socket, options: SshClientOptions) {
    installPacketMemory();
    keepCompiledCiphers();
    corkPerTurn(socket);
    this.#socket = socket;
    this.#options = options;
    this.#guard = new ChannelGuard(socket, options.channels, options.count);
    this.#closed = new Promise((resolve) =>
      socket.once('close', () => resolve(this.#words ?? 'the edge ended the connection')),
    );
  }

  login(): Promise<CoreSshLink> {
    const { dial: to, clock, loginTimeoutMs } = this.#options;
    const abort = (): void => this.close('this side is shutting down');
    const cancel = clock.after(loginTimeoutMs, () =>
      this.close(`no SSH login within ${loginTimeoutMs / 1000} s`),
    );
    to.signal.addEventListener('abort', abort);
    return new Promise<CoreSshLink>((resolve, reject) => {
      void this.#closed.then((words) => reject(new LinkError(this.#identity ? 'identity' : 'closed', words)));
      this.#wire(resolve);
    }).finally(() => {
      cancel();
      to.signal.removeEventListener('abort', abort);
    });
  }

  #wire(resolve: (link: CoreSshLink) => void): void {
    const client = this.#client;
    client.on('error', (error) => this.#failed(error));
    client.once('handshake', () => this.#checkHandshake());
    client.once('ready', () => this.#openControl(resolve));
    client.on('tcp connection', (_details, accept, reject) => {
      if (!this.#guard.reserve()) return reject();
      this.#options.onHttp(this.#guard.adopt(accept()));
    });
    client.connect({
      sock: this.#socket,
      username: this.#options.coreName,
      privateKey: this.#options.key,
      ident: SSH_IDENT,
      algorithms: SSH_ALGORITHMS,
      authHandler: ['publickey'],
      hostVerifier: (key: Buffer) => this.#checkHostKey(key),
      readyTimeout: 0, // ours covers the control channel too
      keepaliveInterval: 0, // the control channel pings
    });
  }

  #checkHostKey(key: Buffer): boolean {
    const { edge } = this.#options;
    const fingerprint = blobFingerprint(key);
    if (fingerprint === edge.sshHostKey) return true;
    this.#refuseIdentity(
      `edge's SSH host key is ${fingerprint}, the zone pins ${edge.sshHostKey} for ${edge.name}`,
    );
    return false;
  }

  /** Before login, so that nothing is said to a peer that could be made to answer for another. */
  #checkHandshake(): void {
    const problem = handshakeProblem(this.#client);
    if (problem !== undefined) return this.#refuseIdentity(problem);
    const ident = remoteIdent(this.#client);
    if (ident !== SSH_IDENT)
      this.#refuseIdentity(`edge runs SSH software "${(ident ?? '').slice(0, 64)}", wanted ${SSH_IDENT}`);
  }

  #openControl(resolve: (link: CoreSshLink) => void): void {
    const failed = (): void => this.close('edge refuses the control channel: it may run another release');
    try {
      this.#client.forwardIn(HTTP_FORWARD.address, HTTP_FORWARD.port, (error) =>
        error ? failed() : undefined,
      );
      this.#client.subsys(CONTROL_SUBSYSTEM, (error, channel) => {
        if (error) return failed();
        const control = this.#guard.adoptControl(channel);
        control.once('close', () => this.close('the control channel was closed'));
        watchLink(this.#socket, this.#options.watch, (words) => this.close(words));
        resolve({ control, close: (words) => this.close(words), closed: this.#closed });
      });
    } catch {
      failed();
    }
  }

  #failed(error: Error): void {
    const { edge, coreName, key } = this.#options;
    const level = 'level' in error ? error.level : undefined;
    if (level !== 'client-authentication') return this.close(peerWords(error)); // ssh2 itself only half-closes
    this.#refuseIdentity(
      `${edge.name} refuses our SSH key ${sshFingerprint(key)}: does its zone file list ${coreName} with this key?`,
    );
  }

  #refuseIdentity(words: string): void {
    this.#identity = true;
    this.#options.count('ssh-refused', 'identity');
    this.close(words);
  }

  #say(words: string): void {
    this.#words ??= words;
  }

  close(words: string): void {
    this.#say(words);
    this.#socket.destroy();
  }
}
