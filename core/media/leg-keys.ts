// SDES keys of one leg of one media section: ours per suite, the peer's, and the engine's contexts made of them.
// RFC 4568 §5.1, §7.1. A key of ours lives as long as the section: offered again it is the same key with the same
// context, so that no index is ever used twice. The peer's former key is kept beside a new one until the next change.
import { findSuite, SUITES, type CryptoId, type MediaEngine, type SuiteName } from '../../media/index.ts';
import { parseCrypto, printCrypto, type CryptoAttribute } from '../../sip/sdp/index.ts';

/** Suites that we offer, in our order of preference; the 32-bit tag is accepted but never offered. */
const OFFERED: readonly SuiteName[] = SUITES.map((suite) => suite.name).filter(
  (name) => name !== 'AES_CM_128_HMAC_SHA1_32',
);

/** The peer's current key and the one before it open packets: it may change while packets are under way. */
const TRIED_REMOTES = 2;
/** One more is kept, so that an agreement one step back can be restored. */
const KEPT_REMOTES = 3;

/** Engine contexts of a leg; both empty for plain RTP. */
export interface LegCrypto {
  readonly protect: CryptoId | undefined;
  readonly unprotect: readonly CryptoId[];
  readonly suite: SuiteName | undefined;
}

export const PLAIN: LegCrypto = { protect: undefined, unprotect: [], suite: undefined };

interface LocalKey {
  readonly key: Buffer;
  readonly salt: Buffer;
  crypto: CryptoId | undefined;
}

interface RemoteKey {
  readonly attribute: CryptoAttribute;
  readonly crypto: CryptoId;
}

/** The usable a=crypto lines of a section, in its order. */
export function usableCrypto(values: readonly string[]): CryptoAttribute[] {
  return values
    .map((value) => parseCrypto(value, findSuite))
    .filter((parsed): parsed is CryptoAttribute => typeof parsed !== 'string');
}

/** The line of an offer that we take: our strongest suite among them. */
export function chooseCrypto(offered: readonly CryptoAttribute[]): CryptoAttribute | undefined {
  for (const suite of SUITES) {
    const match = offered.find((attribute) => attribute.suite === suite.name);
    if (match !== undefined) return match;
  }
  return undefined;
}

export class LegKeys {
  readonly #engine: MediaEngine;
  readonly #randomBytes: (bytes: number) => Buffer;
  readonly #local = new Map<SuiteName, LocalKey>();
  /** The peer's keys, current first. */
  #remotes: RemoteKey[] = [];
  /** The suites of our last offer, in its order. */
  #offered: readonly SuiteName[] = OFFERED;

  constructor(engine: MediaEngine, randomBytes: (bytes: number) => Buffer) {
    this.#engine = engine;
    this.#randomBytes = randomBytes;
  }

  /**
   * Values of the a=crypto lines of our offer; tags count from 1 in its order. The suite in use comes first, with its key.
   * COMPAT(baresip 1.0.0): takes the first line of a re-offer but keeps the contexts it has, whatever their suite.
   */
  offer(): string[] {
    const inUse = this.#remotes[0] === undefined ? [] : [suiteName(this.#remotes[0].attribute)];
    this.#offered = [...new Set([...inUse, ...OFFERED])];
    return this.#offered.map((suite, index) =>
      printCrypto({ tag: index + 1, suite, ...this.#localKey(suite) }),
    );
  }

  /** The line of the peer's offer that we take: the suite in use if it is there, else our strongest. */
  choose(offered: readonly CryptoAttribute[]): CryptoAttribute | undefined {
    const inUse = this.#remotes[0]?.attribute;
    const same = inUse && offered.find((attribute) => attribute.suite === inUse.suite);
    return same ?? chooseCrypto(offered);
  }

  /** The value of the a=crypto line that answers the chosen line of the peer's offer. */
  answer(chosen: CryptoAttribute): string {
    return printCrypto({ ...chosen, ...this.#localKey(suiteName(chosen)) });
  }

  /** The line of the peer's answer to our offer: tag and suite must be one of ours. */
  matchAnswer(answered: readonly CryptoAttribute[]): CryptoAttribute | undefined {
    return answered.find((attribute) => this.#offered[attribute.tag - 1] === attribute.suite);
  }

  /** Is the peer's key one of ours? Two directions under one key would share a keystream (RFC 4568 §6.1). */
  reflects(attribute: CryptoAttribute): boolean {
    return this.#local.get(suiteName(attribute))?.key.equals(attribute.key) === true;
  }

  /** Contexts for what was agreed. A key met before keeps its context, replay window and rollover counter. */
  agree(attribute: CryptoAttribute): LegCrypto {
    return { ...this.hear(attribute), protect: this.#protect(suiteName(attribute)) };
  }

  /** Contexts that check what the peer sends and seal nothing: the key that answers it is held by a far client. */
  hear(attribute: CryptoAttribute): LegCrypto {
    const suite = suiteName(attribute);
    const known = this.#remotes.find((remote) => sameKey(remote.attribute, attribute));
    const current = known ?? this.#newRemote(attribute, suite);
    this.#remotes = [current, ...this.#remotes.filter((remote) => remote !== current)];
    for (const old of this.#remotes.splice(KEPT_REMOTES)) this.#engine.removeCrypto(old.crypto);
    const unprotect = this.#remotes.slice(0, TRIED_REMOTES).map((remote) => remote.crypto);
    return { protect: undefined, unprotect, suite };
  }

  #newRemote(attribute: CryptoAttribute, suite: SuiteName): RemoteKey {
    const { key, salt, mki } = attribute;
    const crypto = this.#engine.addCrypto({ direction: 'unprotect', suite, master: { key, salt, mki } });
    return { attribute, crypto };
  }

  #protect(suite: SuiteName): CryptoId {
    const local = this.#localKey(suite);
    local.crypto ??= this.#engine.addCrypto({ direction: 'protect', suite, master: local });
    return local.crypto;
  }

  #localKey(suite: SuiteName): LocalKey {
    const known = this.#local.get(suite);
    if (known !== undefined) return known;
    const sizes = findSuite(suite)!;
    const key = this.#randomBytes(sizes.keyBytes);
    const fresh = { key, salt: this.#randomBytes(sizes.saltBytes), crypto: undefined };
    this.#local.set(suite, fresh);
    return fresh;
  }

  close(): void {
    for (const local of this.#local.values())
      if (local.crypto !== undefined) this.#engine.removeCrypto(local.crypto);
    for (const remote of this.#remotes) this.#engine.removeCrypto(remote.crypto);
    this.#local.clear();
    this.#remotes = [];
  }
}

function suiteName(attribute: CryptoAttribute): SuiteName {
  return findSuite(attribute.suite)!.name;
}

function sameKey(one: CryptoAttribute, other: CryptoAttribute): boolean {
  return (
    one.suite === other.suite &&
    one.key.equals(other.key) &&
    one.salt.equals(other.salt) &&
    one.mki.equals(other.mki)
  );
}
