// From core's configuration to its ban list, kept in the store and told to the edges. The peers of the pair are never shut
// out, whatever an operator forgets.
import type { Count, Log } from '../../admin/index.ts';
import {
  type BanList,
  coreBanHandlers,
  createBanList,
  createSharedCounters,
  keepBans,
  sendBans,
  tellEdges,
} from '../../auth/index.ts';
import { BAN_LIMITS, banSettings, type CoreConfig } from '../../config/index.ts';
import type { ControlChannel, ControlHandlers, Store } from '../../zones/index.ts';

export interface CoreBans {
  readonly list: BanList;
  readonly controlHandlers: ControlHandlers;
  /** Takes over what the store holds. */
  open(): Promise<void>;
  /** An edge has connected: it is told everything. */
  edgeUp(control: ControlChannel): void;
}

/** Core's ban list; `edges` are those connected when it is called. */
export function coreBans(
  config: Pick<CoreConfig, 'intrusionProtection' | 'traversalZones' | 'sip'>,
  store: Store,
  edges: () => readonly ControlChannel[],
  observers: { readonly log: Log; readonly count: Count },
): CoreBans {
  const { log, count } = observers;
  const now = Date.now;
  const pair = [
    config.sip.address,
    ...config.traversalZones.flatMap((zone) => zone.edges.map(({ address }) => address)),
  ];
  const settings = banSettings(config.intrusionProtection, pair);
  const onFailure = tellOnce(log);
  const space = (name: string, maxEntries: number) =>
    store.namespace(name, {
      maxEntries,
      maxEntryLength: BAN_LIMITS.maxKeptLength,
      whenFull: 'evict',
      durable: true,
    });
  const counters = createSharedCounters(space('ban-counters', settings.maxCounters), {
    maxCounters: settings.maxCounters,
    now,
    count,
    onFailure,
  });
  const list = createBanList({
    ...settings,
    counters,
    now,
    count,
    onBan: ({ id, category, failures, until }) => {
      log.warn(
        { event: 'Shut Out', id, category, failures, until },
        'failed too often; viaduct bans unblock lets in again',
      );
    },
  });
  tellEdges(list, edges, now);
  return {
    list,
    controlHandlers: coreBanHandlers(list, {
      now,
      count,
      maxPerEdge: BAN_LIMITS.maxReportedPerEdge,
      maxMs: BAN_LIMITS.maxReportedMs,
    }),
    async open() {
      await keepBans(list, { store: space('bans', settings.maxBans), now, count, onFailure });
    },
    edgeUp: (control) => void sendBans(control, 'ban.add', list.list(), now),
  };
}

/** A store that is down fails each write; the operator hears of it once a minute. */
function tellOnce(log: Log): (error: unknown) => void {
  let quietUntil = 0;
  return (error) => {
    if (Date.now() < quietUntil) return;
    quietUntil = Date.now() + 60_000;
    log.error(
      { cause: String(error) },
      'bans are counted and kept by this core alone: the store fails; who is out stays out',
    );
  };
}
