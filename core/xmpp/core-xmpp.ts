// The messaging plane of a core: links to the edges, sessions on them, servers of each domain.
import type { TLSSocket } from 'node:tls';
import type { Duplex } from 'node:stream';
import { CLIENT_PATH, type PeerIdentity, serveCoreEnd, wordsOf } from '../../zones/index.ts';
import type { StanzaRules } from '../../xmpp/index.ts';
import { CoreSession } from './core-session.ts';
import type { CoreXmppOptions, XmppDomain } from './core-xmpp-options.ts';
import { type InsideStream, openInside } from './inside-stream.ts';
import { NodeChoice } from './node-choice.ts';
import { SignInPolicy } from './sign-in-policy.ts';
import { UserSessions } from './user-sessions.ts';

export interface CoreXmppStatus {
  readonly sessions: number;
  readonly users: number;
  readonly domains: readonly {
    readonly name: string;
    readonly isMessagingOn: boolean;
    readonly nodes: readonly { readonly name: string; readonly cause: string }[];
  }[];
}

/** For a domain that is not served; no session of it gets so far. */
const NOTHING_PASSES: StanzaRules = { allowedNamespaces: new Set(), isPeerFileTransferAllowed: false };

export class CoreXmpp {
  readonly #options: CoreXmppOptions;
  readonly #domains: ReadonlyMap<string, XmppDomain & { readonly choice: NodeChoice }>;
  readonly #users: UserSessions;
  readonly #signIn: SignInPolicy;
  readonly #sessions = new Set<CoreSession>();
  readonly #sockets = new Set<TLSSocket>();
  /** Why a server could not be reached the last time, by name. */
  readonly #causes = new Map<string, string>();

  constructor(options: CoreXmppOptions) {
    this.#options = options;
    this.#users = new UserSessions(options.maxSessionsPerUser);
    const { tokens, guard, count } = options;
    const deploymentOf = (name: string): string => this.#domains.get(name)?.deployment ?? '';
    this.#signIn = new SignInPolicy({ tokens, guard, count, deploymentOf });
    this.#domains = new Map(
      options.domains.map((domain) => [
        domain.name,
        { ...domain, choice: new NodeChoice(domain.nodes, options.avoidNodeMs) },
      ]),
    );
  }

  /** An edge accepted us on 7400. */
  onXmpp(socket: TLSSocket, peer: PeerIdentity): void {
    const { link, clock, maxSessions } = this.#options;
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    serveCoreEnd(socket, {
      ...link,
      clock,
      maxSessions,
      onSession: (stream, path, address) => this.#take(stream, path, { peer, address }),
    });
  }

  /** Clients are told why, then the links end. */
  close(reason: string): void {
    for (const session of this.#sessions) session.end('system-shutdown', reason);
  }

  status(): CoreXmppStatus {
    return {
      sessions: this.#sessions.size,
      users: this.#users.users,
      domains: [...this.#domains.values()].map(({ name, isMessagingOn, nodes }) => ({
        name,
        isMessagingOn,
        nodes: nodes.map((node) => ({ name: node.name, cause: this.#causes.get(node.name) ?? '' })),
      })),
    };
  }

  #take(
    stream: Duplex,
    path: string,
    { peer, address }: { readonly peer: PeerIdentity; readonly address: string | undefined },
  ): void {
    if (path === CLIENT_PATH) return this.#serve(stream, peer, address);
    if (this.#options.onOther?.(stream, path, peer) === true) return;
    this.#options.count('stream-unknown');
    stream.destroy();
  }

  #serve(stream: Duplex, peer: PeerIdentity, address: string | undefined): void {
    const { log, count, maxSessions } = this.#options;
    if (this.#sessions.size >= maxSessions) {
      count('session-refused', 'sessions');
      stream.destroy();
      return;
    }
    const session: CoreSession = new CoreSession(stream, {
      ...this.#options,
      address,
      signIn: this.#signIn,
      policyOf: (domain) => this.#policyOf(domain),
      rulesOf: (domain) => this.#domains.get(domain)?.rules ?? NOTHING_PASSES,
      openInside: (domain) => this.#openInside(domain),
      enter: (user) => this.#users.enter(user),
      onSignedIn: (user, node) => {
        count('signed-in');
        log.info({ user, node, edge: peer.name }, 'messaging session signed in');
      },
      onOver: (user) => {
        this.#sessions.delete(session);
        if (user !== undefined) log.info({ user, edge: peer.name }, 'messaging session ended');
      },
    });
    this.#sessions.add(session);
  }

  #policyOf(name: string): 'allowed' | 'off' | 'unknown' {
    const domain = this.#domains.get(name);
    if (domain === undefined) return 'unknown';
    return domain.isMessagingOn ? 'allowed' : 'off';
  }

  /** The first server that can be reached; undefined when none can. */
  async #openInside(name: string): Promise<InsideStream | undefined> {
    const { clock, log, count } = this.#options;
    const choice = this.#domains.get(name)?.choice;
    for (const node of choice?.inOrder(clock.now()) ?? []) {
      try {
        const stream = await openInside(node, name, this.#options);
        choice?.worked(node);
        this.#causes.delete(node.name);
        return stream;
      } catch (error) {
        const cause = wordsOf(error);
        choice?.failed(node, clock.now());
        count('node-unreachable');
        if (this.#causes.get(node.name) !== cause)
          log.warn({ node: node.name, cause }, 'messaging server cannot be reached');
        this.#causes.set(node.name, cause);
      }
    }
    return undefined;
  }
}
