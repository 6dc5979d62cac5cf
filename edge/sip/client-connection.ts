// One client's TLS connection: its flow token, its share of everything, and what of it is under way. RFC 5626 §5.
// Trust: none. Until a registration succeeds over it, it counts as unproven and gets the smaller share.
import type { ClientTransaction, SipConnection } from '../../sip/index.ts';
import type { ClientFlow } from './from-client.ts';
import type { MessageRate } from './message-rate.ts';

export class ClientConnection implements ClientFlow {
  readonly token: string;
  readonly address: string;
  readonly port: number;
  readonly openedMs: number;
  readonly rate: MessageRate;
  /** Name of the core this client used last. */
  core: string | undefined;
  /** Name of the core that granted its registration. */
  home: string | undefined;
  /** Requests from the client without a final response. */
  pending = 0;
  /** A REGISTER over this connection was granted. */
  isProven = false;
  hasSpoken = false;
  /** INVITEs of this client that ring: cancelled when it goes away. */
  readonly ringing = new Set<ClientTransaction>();
  #transport: SipConnection | undefined;

  constructor(token: string, address: string, port: number, rate: MessageRate, nowMs: number) {
    this.token = token;
    this.address = address;
    this.port = port;
    this.rate = rate;
    this.openedMs = nowMs;
  }

  /** The connection under it; set once, right after construction. */
  get transport(): SipConnection {
    if (this.#transport === undefined) throw new Error('client connection without its transport');
    return this.#transport;
  }

  attach(transport: SipConnection): void {
    this.#transport = transport;
  }
}
