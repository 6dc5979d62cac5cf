// Certificates for tests of federation, made by the openssl command: an authority, and leaves with the purpose that a row wants.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface TestLeaf {
  readonly chain: string;
  readonly key: string;
}

export interface LeafWishes {
  /** Extended key usage; the default is what public authorities give. */
  readonly purpose?: string;
  readonly authority?: 'good' | 'other' | 'itself' | 'intermediate' | 'leaf';
  readonly days?: string;
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const AUTHORITY = [
  '-addext',
  'basicConstraints=critical,CA:TRUE',
  '-addext',
  'keyUsage=critical,keyCertSign,cRLSign',
];

/** A folder with two authorities, of which tests trust `good`. */
export class TestCertificates {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'viaduct-federation-'));
  #serial = 0;

  constructor() {
    for (const name of ['good', 'other'])
      openssl([
        'req',
        '-x509',
        ...EC,
        '-days',
        '2',
        '-subj',
        `/CN=${name}`,
        ...this.#out(name),
        ...AUTHORITY,
      ]);
    this.#sign(
      'intermediate',
      'good',
      'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n',
      '2',
    );
    this.#sign('leaf', 'good', 'basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n', '2');
  }

  /** PEM of the authority that is trusted. */
  get good(): string {
    return this.#read('good.pem');
  }

  issue(names: readonly string[], wishes: LeafWishes = {}): TestLeaf {
    const { authority = 'good', days = '2', purpose = 'serverAuth' } = wishes;
    const name = `issued-${(this.#serial += 1)}`;
    const alternatives = `subjectAltName=${names.map((one) => `DNS:${one}`).join(',')}`;
    if (authority === 'itself')
      openssl([
        'req',
        '-x509',
        ...EC,
        '-days',
        days,
        '-subj',
        '/CN=x',
        ...this.#out(name),
        '-addext',
        alternatives,
      ]);
    else
      this.#sign(
        name,
        authority,
        `${alternatives}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=${purpose}\n`,
        days,
      );
    const chain = this.#read(`${name}.pem`);
    const more = authority === 'intermediate' || authority === 'leaf' ? this.#read(`${authority}.pem`) : '';
    return { chain: chain + more, key: this.#read(`${name}.key`) };
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #sign(name: string, by: string, extensions: string, days: string): void {
    const [request, file] = [this.#at(`${name}.csr`), this.#at(`${name}.ext`)];
    writeFileSync(file, extensions);
    openssl(['req', ...EC, '-subj', `/CN=${name}`, '-keyout', this.#at(`${name}.key`), '-out', request]);
    openssl(
      [
        'x509',
        '-req',
        '-CAcreateserial',
        '-days',
        days,
        '-in',
        request,
        '-out',
        this.#at(`${name}.pem`),
      ].concat(['-CA', this.#at(`${by}.pem`), '-CAkey', this.#at(`${by}.key`), '-extfile', file]),
    );
  }

  #out(name: string): string[] {
    return ['-keyout', this.#at(`${name}.key`), '-out', this.#at(`${name}.pem`)];
  }

  #at(name: string): string {
    return path.join(this.#folder, name);
  }

  #read(name: string): string {
    return readFileSync(this.#at(name), 'utf8');
  }
}

function openssl(words: readonly string[]): void {
  execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}
