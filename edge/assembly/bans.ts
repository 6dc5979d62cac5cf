// From edge's configuration to its ban list, and which refusals of its doors count as a breach of protocol.
import type { Count, Log } from '../../admin/index.ts';
import { type BanList, createBanList, isUserId, type Offender } from '../../auth/index.ts';
import { BAN_LIMITS, banSettings, type EdgeConfig } from '../../config/index.ts';
import { type StrangerWatch, systemClock } from '../../zones/index.ts';
import { createRunNft, PacketFilter } from '../packet-filter/index.ts';
import type { TurnGuard } from '../../turn/index.ts';
import type { SignInWatch } from '../sip/index.ts';

/** Edge's own ban list, which takes over those of its cores. */
export function edgeBans(
  config: Pick<EdgeConfig, 'intrusionProtection' | 'traversalZones'>,
  observers: { readonly log: Log; readonly count: Count },
): BanList {
  const pair = config.traversalZones.flatMap(({ edges }) => edges.map(({ address }) => address));
  return createBanList({
    ...banSettings(config.intrusionProtection, pair),
    now: Date.now,
    count: observers.count,
    onBan: ({ id, category, failures, until }) => {
      observers.log.warn(
        { event: 'Shut Out', id, category, failures, until },
        'failed too often; viaduct bans unblock lets in again',
      );
    },
  });
}

/** What writes the bans into a packet filter; undefined when none is configured. */
export function packetFilter(
  config: Pick<EdgeConfig, 'intrusionProtection'>,
  list: BanList,
  observers: { readonly log: Log; readonly count: Count },
): PacketFilter | undefined {
  const { nftables } = config.intrusionProtection;
  if (nftables === undefined) return undefined;
  const { timeoutMs, ...limits } = BAN_LIMITS.packetFilter;
  return new PacketFilter({
    ...limits,
    ...observers,
    sets: nftables,
    list,
    run: createRunNft(timeoutMs),
    now: Date.now,
    after: (ms, run) => systemClock.after(ms, run),
  });
}

/**
 * Refusals of a door that only a hostile client earns. A target that is not canonical, a head that is too long, another
 * version are mistakes that honest clients make too, over and over.
 */
const breaches: ReadonlySet<string> = new Set([
  'syntax',
  'bare-cr-or-lf',
  'control-character',
  'folded-header',
  'header-name',
  'framing',
  'chunk',
  'trailer',
  'transfer-coding',
  'malformed',
  'flow-forged',
  'forbidden-xml',
]);

/** Counts a refusal of a door against the client's address. */
export function noteBreach(
  bans: BanList,
  category: 'http-protocol' | 'sip-protocol' | 'xmpp-protocol',
  address: string,
  reason: string,
): void {
  if (breaches.has(reason)) bans.note(category, { kind: 'address', address });
}

/** Edge knows no deployments; what takes their place in the id says at which door the user failed. */
function userAt(door: 'sip' | 'turn', user: string | undefined, address: string): Offender {
  return user !== undefined && isUserId(user)
    ? { kind: 'user', deployment: door, user, address }
    : { kind: 'address', address };
}

/** Failed sign-ins over SIP: a user at an address, or the address when the credentials name nobody. */
export function sipSignIns(bans: BanList): SignInWatch {
  return {
    isOut: (user, address) => bans.find(userAt('sip', user, address)) !== undefined,
    failed: (user, address) => bans.note('sip-auth', userAt('sip', user, address)),
    succeeded: (user, address) => bans.forgive('sip-auth', userAt('sip', user, address)),
  };
}

/** Credentials of TURN that nobody has: the address; a wrong password: that user at that address. */
export function turnGuard(bans: BanList): TurnGuard {
  return {
    admits: (address, user) =>
      bans.find(user === undefined ? { kind: 'address', address } : userAt('turn', user, address)) ===
      undefined,
    failed: (address, user) => bans.note('turn-auth', userAt('turn', user, address)),
  };
}

/** Strangers at the doors of the links. Those from where a core has ever logged in are no strangers (zones sees to it). */
export function linkStrangers(bans: BanList): StrangerWatch {
  return {
    admits: (address) => bans.find({ kind: 'address', address }) === undefined,
    misbehaved: (kind, address) =>
      bans.note(kind === 'auth' ? 'ssh-auth' : 'ssh-protocol', { kind: 'address', address }),
  };
}
