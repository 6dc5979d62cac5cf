// Counters of the process, for Prometheus. Components count words of a closed set; the label space is bounded here too,
// so that a word that came from a peer by mistake cannot grow the registry without end.
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';

/** Counts an event of a component, with the reason where there is one, `times` (1) at once. */
export type Count = (event: string, reason?: string, times?: number) => void;

export interface Metrics {
  /** The counting function of one component. */
  counter(component: string): Count;
  /** A number read when somebody looks. */
  gauge(name: string, help: string, read: () => number): void;
  /** The text exposition format of Prometheus. */
  print(): Promise<string>;
  readonly contentType: string;
}

const MAX_SERIES = 2_000;

/** A fresh registry with the process's own metrics. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'viaduct_' });
  const events = new Counter({
    name: 'viaduct_events_total',
    help: 'Events by component, event and reason',
    labelNames: ['component', 'event', 'reason'],
    registers: [registry],
  });
  const known = new Map<string, { inc(times?: number): void }>();
  const counter =
    (component: string): Count =>
    (event, reason = '', times = 1) => {
      const name = `${component}\n${event}\n${reason}`;
      let series = known.get(name);
      if (series === undefined) {
        if (known.size >= MAX_SERIES) return events.labels('metrics', 'series-refused', '').inc();
        series = events.labels(component, event, reason);
        known.set(name, series);
      }
      return series.inc(times);
    };
  return {
    counter,
    gauge: (name, help, read) => {
      const gauge: Gauge = new Gauge({
        name: `viaduct_${name}`,
        help,
        registers: [registry],
        collect: () => gauge.set(read()),
      });
    },
    print: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
