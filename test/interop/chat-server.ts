// What every messaging server of the tests is told, whoever made it.
import type { IssuedCertificate } from '../../lab/authority/authority.ts';

export interface ChatServerOptions {
  readonly folder: string;
  readonly address: string;
  readonly domain: string;
  readonly certificate: IssuedCertificate;
  /** User name to password. */
  readonly accounts: Readonly<Record<string, string>>;
  /** Words before the command, such as `ip netns exec <name>`. */
  readonly inside?: readonly string[];
}
