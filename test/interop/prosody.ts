// Prosody from Debian as the messaging server inside: a domain with accounts, TLS required, nothing but loopback.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import type { ChatServerOptions } from './chat-server.ts';

export interface ProsodyOptions extends ChatServerOptions {
  readonly modules: readonly string[];
  /** Where it also takes TLS from the first byte (XEP-0368). */
  readonly directTlsPort?: number;
  /** Rooms for group chat at `conference.<domain>`. */
  readonly hasRooms?: boolean;
}

/** Starts Prosody and waits until it listens for clients. */
export async function startProsody(keeper: ProcessKeeper, options: ProsodyOptions): Promise<StartedProcess> {
  const { accounts, address, domain } = options;
  const folder = path.join(options.folder, `prosody-${address}`);
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'prosody.cfg.lua');
  writeFileSync(file, configuration(folder, options));
  for (const [user, password] of Object.entries(accounts))
    execFileSync('prosodyctl', ['--config', file, '--root', 'register', user, domain, password], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  const server = keeper.start(['prosody', '-F', '--config', file, '--root'], {
    name: `prosody-${address}`,
    inside: options.inside ?? [],
  });
  await server.said(/Activated service 'c2s'/);
  return server;
}

function configuration(
  folder: string,
  { address, domain, certificate, modules, directTlsPort, hasRooms }: ProsodyOptions,
): string {
  writeFileSync(path.join(folder, 'chain.pem'), certificate.chain);
  writeFileSync(path.join(folder, 'key.pem'), certificate.key, { mode: 0o600 });
  const list = (words: readonly string[]): string => words.map((word) => `"${word}"`).join('; ');
  return `
    run_as_root = true
    pidfile = "${folder}/prosody.pid"
    data_path = "${folder}/data"
    interfaces = { "${address}" }
    c2s_ports = { 5222 }
    c2s_direct_tls_ports = { ${directTlsPort ?? ''} }
    c2s_direct_tls_ssl = { certificate = "${folder}/chain.pem"; key = "${folder}/key.pem" }
    s2s_ports = { }
    legacy_ssl_ports = { }
    http_ports = { }
    https_ports = { }
    component_ports = { }
    authentication = "internal_hashed"
    storage = "internal"
    c2s_require_encryption = true
    allow_registration = false
    modules_enabled = { ${list(['roster', 'saslauth', 'tls', 'disco', 'presence', 'message', 'ping', ...modules])} }
    modules_disabled = { ${list(modules.includes('offline') ? ['s2s'] : ['s2s', 'offline'])} }
    log = { info = "*console" }
    VirtualHost "${domain}"
      ssl = { certificate = "${folder}/chain.pem"; key = "${folder}/key.pem" }
    ${hasRooms ? `Component "conference.${domain}" "muc"` : ''}
  `;
}
