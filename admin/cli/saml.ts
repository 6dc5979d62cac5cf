// `viaduct saml`: our certificate, the metadata that identity providers import, and what is known of them.
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { createSigningCertificate, readIdpMetadata } from '../../auth/index.ts';
import { loadCore } from '../../config/index.ts';
import { edgeAddresses } from '../../core/assembly/https.ts';
import { servedDomains, spMetadata } from '../../core/assembly/sign-on.ts';
import type { Terminal } from './main.ts';
import { printTree } from './status.ts';

const dayMs = 86_400_000;

/** Adds `saml certificate`, `saml metadata` and `saml providers`. */
export function addSamlCommands(program: Command, terminal: Terminal): void {
  const command = program.command('saml').description('single sign-on by SAML 2.0');
  command
    .command('certificate')
    .description('make the key and certificate by which identity providers know us')
    .argument('<name>', 'common name, such as the name of the cluster')
    .option('--days <days>', 'how long it is good', '1825')
    .option('--out <path>', 'path and first part of the names of both files', 'saml')
    .action(async (name: string, { days, out }: { days: string; out: string }) => {
      if (!/^[1-9]\d{0,3}$/.test(days)) throw new Error(`${days} is no number of days, 1 to 9999`);
      const now = Date.now();
      const untilMs = now + Number(days) * dayMs;
      const made = await createSigningCertificate(name, { fromMs: now - dayMs, untilMs, bits: 3072 });
      writeFileSync(`${out}.key`, made.key, { mode: 0o600, flag: 'wx' });
      writeFileSync(`${out}.pem`, made.certificate, { flag: 'wx' });
      terminal.print(`${out}.pem and ${out}.key are written; name them in saml: certificate:`);
    });
  command
    .command('metadata')
    .description('print our metadata, for the identity provider to import')
    .argument('<file>', 'core’s configuration')
    .option('--domain <domain>', 'of this domain only')
    .action((file: string, { domain }: { domain?: string }) => {
      const config = loadCore(file);
      const served = servedDomains(config.saml);
      if (domain !== undefined && !served.includes(domain))
        throw new Error(`${domain} has no identity provider in ${file}`);
      const domains = domain === undefined ? served : [domain];
      terminal.print(spMetadata(config, edgeAddresses(config), domains).trimEnd());
    });
  command
    .command('providers')
    .description('read the metadata of the identity providers in a configuration')
    .argument('<file>', 'core’s configuration')
    .action((file: string) => {
      const config = loadCore(file);
      const providers = config.saml?.identityProviders ?? [];
      const shown = providers.map(({ name, domains, metadata, metadataUrl, entityId }) => {
        if (metadata === undefined) return { name, domains, metadata: `fetched from ${metadataUrl ?? ''}` };
        const read = readIdpMetadata(metadata.reveal(), entityId, Date.now());
        const certificates = read.certificates.map(
          ({ subject, fingerprint, notAfter }) =>
            `${fingerprint} ${subject}, until ${new Date(notAfter).toISOString()}`,
        );
        return { name, domains, entityId: read.entityId, signOnUrl: read.signOnUrl, certificates };
      });
      terminal.print(shown.length === 0 ? 'none' : printTree(shown).join('\n'));
    });
}
