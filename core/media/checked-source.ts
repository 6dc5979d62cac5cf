// Whether a connectivity check proves where a client is: RFC 8445 §7.3, short-term credentials of RFC 8489 §9.1.
// The check travels in the clear, so a copy of it must move nothing: each transaction counts once, and never while the
// source that was proven before is still heard from.
import { createSecretKey, type KeyObject } from 'node:crypto';
import {
  ATTRIBUTE,
  checkIntegrity,
  findAttribute,
  METHOD,
  parseStun,
  StunError,
  type StunMessage,
} from '../../turn/index.ts';
import type { IceCredentials } from './ice-section.ts';

/** Transactions remembered; an agent has a few checks under way at a time. */
const MAX_TRANSACTIONS = 64;

export class CheckedSource {
  readonly #seen = new Set<string>();
  #key: { readonly password: string; readonly key: KeyObject } | undefined;
  /** Packets that the latched source had sent when a check last came from another. */
  #packetsThen: number | undefined;

  /** `packetsIn`: what has come from the source that was proven last. */
  admit(
    bytes: Buffer,
    ice: { readonly client: IceCredentials; readonly inside: IceCredentials },
    packetsIn: number,
  ): boolean {
    const message = parseOrUndefined(bytes);
    if (message?.class !== 'request' || message.method !== METHOD.binding) return false;
    const username = findAttribute(message, ATTRIBUTE.username)?.toString('latin1');
    if (username !== `${ice.inside.ufrag}:${ice.client.ufrag}`) return false;
    if (checkIntegrity(message, 'sha1', this.#keyOf(ice.inside.password)) !== 'valid') return false;
    return this.#isQuiet(packetsIn) && this.#isFresh(message.transactionId.toString('hex'));
  }

  #keyOf(password: string): KeyObject {
    if (this.#key?.password !== password)
      this.#key = { password, key: createSecretKey(Buffer.from(password, 'latin1')) };
    return this.#key.key;
  }

  #isFresh(transaction: string): boolean {
    if (this.#seen.has(transaction)) return false;
    this.#seen.add(transaction);
    if (this.#seen.size > MAX_TRANSACTIONS) this.#seen.delete(this.#seen.values().next().value!);
    return true;
  }

  /** The first source may always; another one when nothing has come from the former since its last check. */
  #isQuiet(packetsIn: number): boolean {
    const then = this.#packetsThen;
    this.#packetsThen = packetsIn;
    return then === undefined || then === packetsIn;
  }
}

function parseOrUndefined(bytes: Buffer): StunMessage | undefined {
  try {
    return parseStun(bytes);
  } catch (error) {
    if (error instanceof StunError) return undefined;
    throw error;
  }
}
