// What federation at edge needs; defaults, ranges and prose live in config/.
import type { Duplex } from 'node:stream';
import type { ServerConnectionLimits } from '../../../xmpp/s2s/index.ts';
import type { Clock, LinkLog } from '../../../zones/index.ts';
import type { AdmissionLimits } from '../../admission.ts';

/** A record of a service (RFC 2782). */
export interface ServiceRecord {
  readonly host: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** What federation asks of DNS. An empty answer: there is none. Rejects when DNS itself fails. */
export interface PartnerDns {
  services(name: string): Promise<readonly ServiceRecord[]>;
  addresses(host: string): Promise<readonly string[]>;
}

export interface EdgeFederationOptions extends AdmissionLimits {
  readonly host: string;
  readonly port: number;
  /** Who edge says it is to a server that names no domain of ours. */
  readonly name: string;
  /** PEM texts of the certificate that covers our federated domains. */
  readonly certificate: { readonly chain: string; readonly key: string };
  /** PEM of the authorities that may sign partners' certificates; undefined: the system's. */
  readonly authorities: string | undefined;
  /** What dialback keys are made of; the same at every edge that answers for our domains. */
  readonly dialbackSecret: string;
  /** Bans: false turns an address away. */
  readonly admits: (address: string) => boolean;
  /** A refusal by which a partner broke the protocol, and where it came from. */
  readonly onRefused: (reason: string, address: string) => void;
  readonly limits: ServerConnectionLimits;
  readonly maxBytesPerSecond: number;
  /** Bytes that may come at once after a pause. */
  readonly burstBytes: number;
  /** Pairs of domains on one connection from a partner. */
  readonly maxPairsPerConnection: number;
  /** Keys and proofs that one connection may ask about or fail. */
  readonly maxQuestionsPerConnection: number;
  /** Streams to partners open at once. */
  readonly maxOutgoing: number;
  /** Questions of dialback to partners' servers open at once; strangers cause them, so they have a room of their own. */
  readonly maxQuestions: number;
  /** Largest frame that core may send. */
  readonly maxFrameBytes: number;
  readonly dns: PartnerDns;
  /** Whether a server may be at this address: DNS is not believed about the inside. */
  readonly isAllowedTarget: (address: string) => boolean;
  /** A stream to a core, by its name. @throws LinkError when there is none. */
  readonly openLink: (core: string, path: string) => Duplex;
  readonly clock: Clock;
  /** A fresh id that nobody can guess. */
  readonly newId: () => string;
  /** 0 ≤ random() < 1; spreads load over equal targets. */
  readonly random: () => number;
  readonly log: LinkLog;
  readonly count: (event: string, reason?: string) => void;
}
