// Certificates for servers and phones of a test, made by the openssl command: one authority, leaves signed by it.
// Keys are thrown away with the run's folder.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface Leaf {
  readonly chain: string;
  readonly key: string;
}

/** An authority in `folder`; `certificate` is its PEM file. */
export class TestAuthority {
  readonly certificate: string;
  readonly #key: string;
  readonly #folder: string;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.certificate = path.join(folder, `${name}-authority.pem`);
    this.#key = path.join(folder, `${name}-authority.key`);
    openssl(
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2',
      { '-subj': `/CN=${name} test authority`, '-keyout': this.#key, '-out': this.certificate },
      '-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign',
    );
  }

  /** A server's certificate for these DNS names and addresses; the files are named after the first. */
  issue(names: readonly string[]): Leaf {
    const base = path.join(this.#folder, names[0] ?? 'leaf');
    const leaf = { chain: `${base}.pem`, key: `${base}.key` };
    const alternatives = names
      .map((name) => (/^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`))
      .join(',');
    const usage = 'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n';
    writeFileSync(`${base}.ext`, `subjectAltName=${alternatives}\n${usage}`);
    openssl('req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes', {
      '-subj': `/CN=${names[0]}`,
      '-keyout': leaf.key,
      '-out': `${base}.csr`,
    });
    openssl('x509 -req -CAcreateserial -days 2', {
      '-in': `${base}.csr`,
      '-CA': this.certificate,
      '-CAkey': this.#key,
      '-extfile': `${base}.ext`,
      '-out': leaf.chain,
    });
    return leaf;
  }

  /** Certificate and key in one file, as some servers want it. */
  issueJoined(names: readonly string[]): string {
    const leaf = this.issue(names);
    const file = leaf.chain.replace(/\.pem$/, '-joined.pem');
    writeFileSync(file, readFileSync(leaf.chain, 'utf8') + readFileSync(leaf.key, 'utf8'), { mode: 0o600 });
    return file;
  }
}

/** Runs openssl with plain words, then options whose values may hold spaces, then more words. */
function openssl(words: string, options: Readonly<Record<string, string>>, more = ''): void {
  const args = [...words.split(' '), ...Object.entries(options).flat(), ...more.split(' ').filter(Boolean)];
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
