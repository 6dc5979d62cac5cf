// From core's configuration to the directories that judge passwords.
import type { Count } from '../../admin/index.ts';
import { createDirectory, type Directory, type DirectoryServer } from '../../auth/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import { CORE_LIMITS } from '../../config/index.ts';
import { systemClock } from '../../zones/index.ts';
import type { Resolve } from './resolver.ts';

const USUAL_PORT = { ldaps: 636, ldap: 389 } as const;

/** `ldaps://HOST[:PORT]` or `ldap://HOST[:PORT]`, as the schema lets through. */
export function directoryServer(text: string): DirectoryServer {
  const url = new URL(text);
  const protocol = url.protocol === 'ldaps:' ? 'ldaps' : 'ldap';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  return { protocol, host, port: url.port === '' ? USUAL_PORT[protocol] : Number(url.port) };
}

/** Deployment → directory. @throws Error when a filter is none. */
export function directories(
  { ldap }: Pick<CoreConfig, 'ldap'>,
  resolve: Resolve,
  count: Count,
): ReadonlyMap<string, Directory> {
  return new Map(
    ldap.map((section) => {
      const { deployment, servers, authority, accountDn, accountPassword, timeout } = section;
      const account =
        accountDn === undefined || accountPassword === undefined
          ? undefined
          : { dn: accountDn, password: accountPassword.reveal() };
      const directory = createDirectory({
        servers: servers.map(directoryServer),
        authority: authority?.reveal(),
        base: section.base,
        userAttribute: section.userAttribute,
        filter: section.filter,
        account,
        timeoutMs: timeout,
        restMs: CORE_LIMITS.directoryRestMs,
        resolve,
        now: () => systemClock.wall(),
        count,
      });
      return [deployment, directory];
    }),
  );
}
