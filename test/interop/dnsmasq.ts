// dnsmasq as both views of a split DNS: one process per view, answering only from what it is given.
import type { Namespace } from '../topology/network.ts';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';

export interface DnsView {
  readonly name: string;
  readonly at: Namespace;
  readonly address: string;
  readonly hosts: Readonly<Record<string, string>>;
  /** `_service._proto.domain` to target and port. */
  readonly services: Readonly<Record<string, { readonly target: string; readonly port: number }>>;
}

/** Starts one view and waits until it answers for itself; what it does not know is NXDOMAIN. */
export async function startDnsmasq(keeper: ProcessKeeper, view: DnsView): Promise<StartedProcess> {
  const words = [
    'dnsmasq',
    '--keep-in-foreground',
    '--no-daemon',
    '--no-resolv',
    '--no-hosts',
    '--bind-interfaces',
    '--user=root',
    '--pid-file=',
    '--conf-file=/dev/null',
    '--local=/#/',
    `--listen-address=${view.address}`,
    ...Object.entries(view.hosts).map(([name, address]) => `--host-record=${name},${address}`),
    ...Object.entries(view.services).map(([name, to]) => `--srv-host=${name},${to.target},${to.port},10,10`),
  ];
  const server = keeper.start(words, { inside: view.at.exec, name: `dnsmasq-${view.name}` });
  await server.said(/started, version/);
  return server;
}
