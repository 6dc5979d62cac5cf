// Prosody and ejabberd from Debian as servers that federate: in a namespace, on every address there, TLS required between servers,
// dialback and certificates both offered. Which of the two stands inside and which is the partner is the test's business.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Namespace } from '../topology/network.ts';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';

export interface FederatingServer {
  readonly folder: string;
  readonly at: Namespace;
  readonly address: string;
  readonly domain: string;
  /** One PEM file with key and chain. */
  readonly certificate: string;
  /** PEM file of the authority that signs the other side. */
  readonly authority: string;
  /** Believes certificates only; off: dialback will do. */
  readonly certificatesOnly: boolean;
  readonly accounts: Readonly<Record<string, string>>;
}

/** Starts Prosody; resolves once it listens for servers. */
export async function startFederatingProsody(
  keeper: ProcessKeeper,
  server: FederatingServer,
): Promise<StartedProcess> {
  const folder = path.join(server.folder, `prosody-${server.domain}`);
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'prosody.cfg.lua');
  const { accounts, address, authority, certificate, certificatesOnly, domain } = server;
  writeFileSync(
    file,
    `
    run_as_root = true
    pidfile = "${folder}/prosody.pid"
    data_path = "${folder}/data"
    interfaces = { "${address}" }
    c2s_ports = { 5222 }
    s2s_ports = { 5269 }
    s2s_direct_tls_ports = { 5270 }
    s2s_direct_tls_ssl = { certificate = "${certificate}"; key = "${certificate}"; cafile = "${authority}" }
    http_ports = { }
    https_ports = { }
    component_ports = { }
    authentication = "internal_hashed"
    storage = "internal"
    c2s_require_encryption = true
    s2s_require_encryption = true
    s2s_secure_auth = ${certificatesOnly}
    allow_registration = false
    modules_enabled = { "roster"; "saslauth"; "tls"; "dialback"; "disco"; "presence"; "message"; "ping"; "s2s"; "s2s_auth_certs" }
    log = { info = "*console" }
    ssl = { certificate = "${certificate}"; key = "${certificate}"; cafile = "${authority}" }
    VirtualHost "${domain}"
    Component "conference.${domain}" "muc"
      restrict_room_creation = false
      muc_room_default_public = true
  `,
  );
  for (const [user, password] of Object.entries(accounts))
    execFileSync('prosodyctl', ['--config', file, '--root', 'register', user, domain, password], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  const started = keeper.start(['prosody', '-F', '--config', file, '--root'], {
    inside: server.at.exec,
    name: `prosody-${domain}`,
  });
  await started.said(/Activated service 's2s'/);
  return started;
}

/** Where Debian keeps Erlang's libraries, by architecture. */
const LIBRARIES =
  ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu'].find((folder) => existsSync(folder)) ?? '';

/** Starts ejabberd; resolves once it listens and knows its accounts. */
export async function startFederatingEjabberd(
  keeper: ProcessKeeper,
  server: FederatingServer,
): Promise<StartedProcess> {
  const { accounts, domain } = server;
  const folder = path.join(server.folder, `ejabberd-${domain}`);
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'ejabberd.yml');
  writeFileSync(file, ejabberdConfiguration(server));
  const binary = (text: string): string => `<<"${text}">>`;
  const register = Object.entries(accounts).map(
    ([user, password]) => `ejabberd_auth:try_register(${[user, domain, password].map(binary).join(', ')})`,
  );
  const erlang = ['erl', '-noinput', '-start_epmd', 'false', '-mnesia', 'dir', `"${folder}/database"`];
  const orders = `ejabberd:start(), ${register.join(', ')}, io:format("accounts are there~n").`;
  const started = keeper.start([...erlang, '-s', 'ejabberd', '-eval', orders], {
    inside: server.at.exec,
    name: `ejabberd-${domain}`,
    env: {
      EJABBERD_CONFIG_PATH: file,
      EJABBERD_LOG_PATH: path.join(folder, 'ejabberd.log'),
      ERL_CRASH_DUMP: path.join(folder, 'crash.dump'),
      ERL_LIBS: LIBRARIES,
    },
  });
  await started.said(/accounts are there/, { timeoutMs: 20_000 });
  return started;
}

function ejabberdConfiguration(server: FederatingServer): string {
  const { address, authority, certificate, certificatesOnly, domain } = server;
  return stringify({
    hosts: [domain],
    loglevel: 'info',
    certfiles: [certificate],
    ca_file: authority,
    s2s_cafile: authority,
    s2s_use_starttls: 'required',
    s2s_max_retry_delay: 1,
    listen: [
      { port: 5222, ip: address, module: 'ejabberd_c2s', starttls_required: true },
      { port: 5269, ip: address, module: 'ejabberd_s2s_in', max_stanza_size: 262_144 },
    ],
    auth_method: ['internal'],
    auth_password_format: 'scram',
    modules: {
      mod_disco: {},
      mod_roster: {},
      mod_ping: {},
      mod_muc: { host: `conference.${domain}` },
      ...(certificatesOnly ? {} : { mod_s2s_dialback: {} }),
    },
  });
}
