// Kamailio in two parts of the SIP benchmark: the registrar inside that both sides use, and the pair that Viaduct is
// measured beside (client → TLS → edge → mutual TLS → core → TCP). One worker each, in-memory location, no accounting and
// no sanity checks: the fastest it can be while it does the same job, which is Path, Record-Route and transactions.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import { kamailioModules } from '../topology/requirements.ts';
import { until } from '../topology/until.ts';
import { listens } from './sip-listening.ts';

interface Script {
  readonly name: string;
  readonly modules: readonly string[];
  readonly listen: readonly string[];
  readonly settings: readonly string[];
  readonly route: string;
  readonly sharedMiB: number;
}

/** The registrar: takes every REGISTER, sends calls for a user of `answering` (user to host:port) there. */
export function startRegistrar(
  keeper: ProcessKeeper,
  folder: string,
  options: { readonly address: string; readonly answering: Readonly<Record<string, string>> },
): Promise<StartedProcess> {
  const calls = Object.entries(options.answering)
    .map(([user, at]) => `if ($rU == "${user}") { $du = "sip:${at};transport=tcp"; t_relay(); exit; }`)
    .join('\n  ');
  return start(keeper, folder, {
    name: 'registrar',
    sharedMiB: 256,
    modules: ['usrloc', 'registrar', 'pv'],
    listen: [`tcp:${options.address}:5060`],
    settings: [
      'modparam("usrloc", "db_mode", 0)',
      'modparam("registrar", "max_expires", 3600)',
      'modparam("registrar", "use_path", 1)',
      'modparam("registrar", "path_mode", 0)',
    ],
    route: `
  if (has_totag()) { loose_route(); t_relay(); exit; }
  if (is_method("REGISTER")) { save("location"); exit; }
  record_route();
  ${calls}
  sl_send_reply("404", "Not Here");`,
  });
}

export interface PeerPairOptions {
  readonly edge: string;
  readonly core: string;
  /** host:port of the registrar. */
  readonly registrar: string;
  /** PEM files: chain and key of each, and the authority both were issued by. */
  readonly edgeIdentity: Identity;
  readonly coreIdentity: Identity;
  readonly authority: string;
  /** The pool that its processes share. */
  readonly sharedMiB: number;
}

interface Identity {
  readonly chain: string;
  readonly key: string;
}

/** The two proxies. */
export async function startPeerPair(
  keeper: ProcessKeeper,
  folder: string,
  options: PeerPairOptions,
): Promise<readonly [edge: StartedProcess, core: StartedProcess]> {
  const { edge, core, registrar } = options;
  const proxy = (name: string, identity: Identity, listen: readonly string[], next: string): Script => ({
    name,
    sharedMiB: options.sharedMiB,
    modules: ['path', 'pv', 'tls'],
    listen,
    settings: [
      `modparam("tls", "config", "${writeTls(folder, name, identity, options.authority)}")`,
      'modparam("path", "use_received", 0)',
    ],
    route: `
  if (!mf_process_maxfwd_header("15")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (has_totag()) { loose_route(); t_relay(); exit; }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (is_method("REGISTER")) add_path(); else record_route();
  $du = "${next}";
  t_relay();`,
  });
  const inner = proxy(
    'peer-core',
    options.coreIdentity,
    [`tls:${core}:7001`, `tcp:${core}:5060`],
    `sip:${registrar};transport=tcp`,
  );
  const outer = proxy(
    'peer-edge',
    options.edgeIdentity,
    [`tls:${edge}:5061`],
    `sip:${core}:7001;transport=tls`,
  );
  return [await start(keeper, folder, outer), await start(keeper, folder, inner)];
}

/** Mutual between the two, as Viaduct's link is; clients are asked for nothing. */
function writeTls(folder: string, name: string, identity: Identity, authority: string): string {
  const file = path.join(folder, `${name}-tls.cfg`);
  const own = `method = TLSv1.2+\ncertificate = ${identity.chain}\nprivate_key = ${identity.key}\nca_list = ${authority}\n`;
  const asks = name === 'peer-core' ? 'yes' : 'no';
  const server = `[server:default]\n${own}verify_certificate = ${asks}\nrequire_certificate = ${asks}\n`;
  writeFileSync(file, `${server}[client:default]\n${own}verify_certificate = yes\n`);
  return file;
}

async function start(keeper: ProcessKeeper, folder: string, script: Script): Promise<StartedProcess> {
  const own = path.join(folder, script.name);
  mkdirSync(own, { recursive: true });
  const file = path.join(own, 'kamailio.cfg');
  writeFileSync(file, configuration(script));
  const words = ['/usr/sbin/kamailio', '-f', file, '-DD', '-E', '-Y', own, '-P', path.join(own, 'pid')];
  const kamailio = keeper.start([...words, '-m', String(script.sharedMiB), '-M', '16'], {
    name: script.name,
  });
  for (const [host = '', port] of script.listen.map((one) => one.split(':').slice(1))) {
    await until(`${script.name} listens`, () => listens(host, Number(port)), {
      detail: () => kamailio.tail(),
    });
  }
  return kamailio;
}

function configuration({ modules, listen, settings, route }: Script): string {
  const lines = [
    'debug=0',
    'log_stderror=yes',
    'fork=yes',
    'children=1',
    'tcp_children=1',
    'auto_aliases=no',
    'tcp_connection_lifetime=3600',
    // What may wait for a next hop that is slow to read; the default of 32 KiB is less than 50 calls.
    'tcp_conn_wq_max=8388608',
    'tcp_wq_max=67108864',
    'tcp_max_connections=20000',
    'tls_max_connections=20000',
    // Must stand before the module is loaded.
    ...(modules.includes('tls') ? ['enable_tls=yes'] : []),
    ...listen.map((address) => `listen=${address}`),
    `mpath="${kamailioModules()}"`,
    ...['tm', 'tmx', 'sl', 'rr', 'maxfwd', 'textops', 'siputils', ...modules].map(
      (name) => `loadmodule "${name}.so"`,
    ),
    ...settings,
    `request_route {${route}\n}`,
  ];
  return `#!KAMAILIO\n${lines.join('\n')}\n`;
}
