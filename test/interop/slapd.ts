// slapd from Debian as the company's directory: TLS required of everybody who says a password, accounts with a
// password policy, nothing but loopback.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import type { Leaf } from './certificates.ts';

export const BASE = 'dc=example,dc=com';
export const SEARCHER = { dn: `cn=searcher,${BASE}`, password: 'searcher-password' };

export interface SlapdOptions {
  readonly folder: string;
  readonly address: string;
  readonly certificate: Leaf;
  readonly authorityFile: string;
  /** User id → password; ids are told apart as the directory does, which is not at all by case. */
  readonly accounts: Readonly<Record<string, string>>;
  /** More entries, as LDIF. */
  readonly ldif?: string;
}

/** Fills a database and starts the server on 389 (StartTLS) and 636. */
export async function startSlapd(keeper: ProcessKeeper, options: SlapdOptions): Promise<StartedProcess> {
  const folder = path.join(options.folder, `slapd-${options.address}`);
  mkdirSync(path.join(folder, 'data'), { recursive: true });
  const file = path.join(folder, 'slapd.conf');
  writeFileSync(file, configuration(folder, options));
  execFileSync('/usr/sbin/slapadd', ['-f', file], {
    input: entries(options),
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const urls = `ldap://${options.address}:389 ldaps://${options.address}:636`;
  const server = keeper.start(['/usr/sbin/slapd', '-d', '256', '-f', file, '-h', urls], {
    name: `slapd-${options.address}`,
  });
  await server.said(/slapd starting/);
  return server;
}

function configuration(folder: string, { authorityFile, certificate }: SlapdOptions): string {
  return `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb.la
moduleload ppolicy.la
pidfile ${folder}/slapd.pid
TLSCACertificateFile ${authorityFile}
TLSCertificateFile ${certificate.chain}
TLSCertificateKeyFile ${certificate.key}
security simple_bind=128
disallow bind_anon
database mdb
suffix "${BASE}"
rootdn "cn=admin,${BASE}"
directory ${folder}/data
overlay ppolicy
ppolicy_default "cn=policy,${BASE}"
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${SEARCHER.dn}" read by * none
`;
}

function entries({ accounts, ldif = '' }: SlapdOptions): string {
  const people = Object.entries(accounts).map(
    ([user, password]) => `
dn: uid=${user},ou=people,${BASE}
objectClass: inetOrgPerson
uid: ${user}
cn: ${user}
sn: ${user}
userPassword: ${password}
`,
  );
  return `dn: ${BASE}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,${BASE}
objectClass: organizationalUnit
ou: people

dn: cn=policy,${BASE}
objectClass: person
objectClass: pwdPolicy
cn: policy
sn: policy
pwdAttribute: 2.5.4.35
pwdLockout: TRUE
pwdMaxFailure: 3

dn: ${SEARCHER.dn}
objectClass: person
cn: searcher
sn: searcher
userPassword: ${SEARCHER.password}
${people.join('')}${ldif}`;
}
