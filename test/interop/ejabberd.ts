// ejabberd from Debian as the messaging server inside: a domain with accounts and rooms, TLS required, nothing but loopback.
// Started by Erlang's own command, as one node that no other can reach: neither epmd nor distribution listens.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import type { ChatServerOptions } from './chat-server.ts';

/** Where Debian keeps Erlang's libraries, by architecture. */
const LIBRARIES =
  ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu'].find((folder) => existsSync(folder)) ?? '';

/** Starts ejabberd and waits until it listens for clients and knows its accounts. */
export async function startEjabberd(
  keeper: ProcessKeeper,
  options: ChatServerOptions,
): Promise<StartedProcess> {
  const { accounts, address, domain } = options;
  const folder = path.join(options.folder, `ejabberd-${address}`);
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'ejabberd.yml');
  writeFileSync(file, configuration(folder, options));
  const binary = (text: string): string => `<<"${text}">>`;
  const register = Object.entries(accounts).map(
    ([user, password]) =>
      `ok = ejabberd_auth:try_register(${[user, domain, password].map(binary).join(', ')})`,
  );
  const erlang = ['erl', '-noinput', '-start_epmd', 'false', '-mnesia', 'dir', `"${folder}/database"`];
  const orders = `ejabberd:start(), ${register.join(', ')}, io:format("accounts are there~n").`;
  const server = keeper.start([...erlang, '-s', 'ejabberd', '-eval', orders], {
    name: `ejabberd-${address}`,
    env: {
      EJABBERD_CONFIG_PATH: file,
      EJABBERD_LOG_PATH: path.join(folder, 'ejabberd.log'),
      ERL_CRASH_DUMP: path.join(folder, 'crash.dump'),
      ERL_LIBS: LIBRARIES,
    },
  });
  await server.said(/accounts are there/, { timeoutMs: 20_000 });
  return server;
}

function configuration(folder: string, { address, certificate, domain }: ChatServerOptions): string {
  const joined = path.join(folder, 'certificate.pem');
  writeFileSync(joined, certificate.key + certificate.chain, { mode: 0o600 });
  return stringify({
    hosts: [domain],
    loglevel: 'info',
    certfiles: [joined],
    listen: [
      {
        port: 5222,
        ip: address,
        module: 'ejabberd_c2s',
        max_stanza_size: 262_144,
        starttls_required: true,
        access: 'c2s',
      },
    ],
    acl: { local: { user_regexp: '' } },
    access_rules: { c2s: { allow: 'all' }, local: { allow: 'local' } },
    auth_method: ['internal'],
    auth_password_format: 'scram',
    modules: {
      mod_disco: {},
      mod_roster: {},
      mod_offline: {},
      mod_ping: {},
      mod_carboncopy: {},
      mod_stream_mgmt: {},
      mod_muc: { host: `conference.${domain}` },
    },
  });
}
