// Kamailio as the registrar inside: digest on REGISTER and on out-of-dialog INVITE, lookup by user, record-routing.
// It stands for a call-control node; nothing in its configuration knows that an edge or a core exists.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Namespace } from '../topology/network.ts';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import { kamailioModules } from '../topology/requirements.ts';

export interface KamailioOptions {
  readonly folder: string;
  readonly at: Namespace;
  readonly address: string;
  /** Its own names: requests to these are for its users. The first one is the digest realm. */
  readonly domains: readonly string[];
  /** When given, TLS on 5061 with these PEM files. */
  readonly tls?: { readonly chain: string; readonly key: string };
  /** Users that are not registered but live at a fixed address, such as a scripted SIPp: user to SIP URI. */
  readonly fixedUsers?: Readonly<Record<string, string>>;
  /** Answers go back through the connection a phone opened (`alias` on Contact), where no edge does that for it. */
  readonly aliasContacts?: boolean;
  /** Longest registration it grants. */
  readonly maxExpiresSeconds?: number;
}

/** A user's password in these tests. */
export function passwordOf(user: string): string {
  return `secret-${user}`;
}

/** Starts Kamailio in the foreground and waits until it listens. */
export async function startKamailio(
  keeper: ProcessKeeper,
  options: KamailioOptions,
): Promise<StartedProcess> {
  const folder = path.join(options.folder, 'kamailio');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'kamailio.cfg');
  const tlsFile = path.join(folder, 'tls.cfg');
  if (options.tls !== undefined) writeFileSync(tlsFile, tlsConfiguration(options.tls));
  writeFileSync(file, configuration(options, tlsFile));
  const run = [
    'kamailio',
    '-f',
    file,
    '-DD',
    '-E',
    '-Y',
    folder,
    '-P',
    path.join(folder, 'pid'),
    '-m',
    '32',
    '-M',
    '4',
  ];
  const kamailio = keeper.start(run, { inside: options.at.exec, name: 'kamailio' });
  await kamailio.said(/TEST registrar ready/);
  return kamailio;
}

const MODULES = 'tm tmx sl rr pv maxfwd textops siputils usrloc registrar auth xlog path nathelper'.split(
  ' ',
);

/** A file of its own: certificates given as module parameters lose their key in 5.6. */
function tlsConfiguration({ chain, key }: { chain: string; key: string }): string {
  const domain = `method = TLSv1.2+\nverify_certificate = no\ncertificate = ${chain}\nprivate_key = ${key}\n`;
  return `[server:default]\n${domain}[client:default]\n${domain}`;
}

function configuration(options: KamailioOptions, tlsFile: string): string {
  const modules = [...MODULES, ...(options.tls === undefined ? [] : ['tls'])];
  const realm = options.domains[0] ?? '';
  const lines = [
    'debug=1',
    'log_stderror=yes',
    'fork=yes',
    'children=1',
    'tcp_children=2',
    'auto_aliases=no',
    'tcp_connection_lifetime=3600',
    'tcp_accept_no_cl=no',
    ...options.domains.map((name) => `alias="${name}"`),
    `listen=tcp:${options.address}:5060`,
    ...(options.tls === undefined ? [] : ['enable_tls=yes', `listen=tls:${options.address}:5061`]),
    `mpath="${kamailioModules()}"`,
    ...modules.map((name) => `loadmodule "${name}.so"`),
    ...(options.tls === undefined ? [] : [`modparam("tls", "config", "${tlsFile}")`]),
    'modparam("usrloc", "db_mode", 0)',
    'modparam("usrloc", "timer_interval", 1)',
    `modparam("registrar", "max_expires", ${options.maxExpiresSeconds ?? 120})`,
    'modparam("registrar", "method_filtering", 0)',
    'modparam("registrar", "use_path", 1)',
    'modparam("registrar", "path_mode", 0)',
    'modparam("rr", "enable_full_lr", 1)',
    routes(realm, options),
  ];
  return `#!KAMAILIO\n${lines.join('\n')}\n`;
}

/** The routing script: every request is logged with its source, so that a test can ask who said what to whom. */
function routes(realm: string, options: KamailioOptions): string {
  const [addAlias, useAlias] =
    options.aliasContacts === true ? ['add_contact_alias();', 'handle_ruri_alias();'] : ['', ''];
  const fixed = Object.entries(options.fixedUsers ?? {})
    .map(([user, uri]) => `  if ($rU == "${user}") { record_route(); $du = "${uri}"; t_relay(); exit; }`)
    .join('\n');
  return `
event_route[core:worker-one-init] { xlog("L_ALERT", "TEST registrar ready\\n"); }
request_route {
  xlog("L_ALERT", "TEST request $rm $ru from $fu at $proto:$si:$sp\\n");
  if (!mf_process_maxfwd_header("15")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) {
    if (loose_route()) { ${addAlias} ${useAlias} t_relay(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    sl_send_reply("404", "Not Here"); exit;
  }
  t_check_trans();
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("${realm}", "secret-$fU", "0")) { www_challenge("${realm}", "1"); exit; }
    xlog("L_ALERT", "TEST contact $ct expires $hdr(Expires) path $hdr(Path)\\n");
    save("location"); exit;
  }
  if (is_method("OPTIONS") && $rU == $null) { sl_send_reply("200", "OK"); exit; }
  if (is_method("INVITE") && src_ip != myself) {
    if (!pv_proxy_authenticate("${realm}", "secret-$fU", "0")) { proxy_challenge("${realm}", "1"); exit; }
    consume_credentials();
  }
  remove_hf("Route");
  ${addAlias}
${fixed}
  record_route();
  if (!lookup("location")) { t_newtran(); t_reply("404", "Not Found"); exit; }
  t_relay();
}
onreply_route { xlog("L_ALERT", "TEST reply $rs $cs $rm from $si:$sp\\n"); }
`;
}
