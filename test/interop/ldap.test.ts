// Passwords that a directory keeps, with slapd from Debian: both ways to TLS, every kind of refusal, servers that are down,
// silent, unproven or hostile; and the same sign-in through edge and core, where 503 never becomes 401.
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDirectory, type Directory, type DirectoryServer } from '../../auth/index.ts';
import { addressesOf, type Company, foundCompany } from '../e2e/company.ts';
import { webClient } from '../e2e/people.ts';
import { ProcessKeeper, type StartedProcess } from '../topology/process-keeper.ts';
import { canRun } from '../topology/requirements.ts';
import { makeRunFolder } from '../topology/run-folder.ts';
import { until } from '../topology/until.ts';
import { TestAuthority } from './certificates.ts';
import { BASE, SEARCHER, startSlapd } from './slapd.ts';

const NAME = 'directory.example.com';
const [FIRST, SECOND] = ['127.0.48.50', '127.0.48.51'];
const ACCOUNTS = { alice: 'kept in the directory', bob: 'pä55wörd', locked: 'never said' };
/** Two entries with one user id. */
const MORE = `
dn: cn=twin one,ou=people,${BASE}
objectClass: inetOrgPerson
uid: twin
cn: twin one
sn: twin

dn: cn=twin two,ou=people,${BASE}
objectClass: inetOrgPerson
uid: twin
cn: twin two
sn: twin
`;

let keeper: ProcessKeeper;
let run: ReturnType<typeof makeRunFolder>;
let authority: TestAuthority;
let slapd: StartedProcess;

interface Ask {
  readonly servers?: readonly DirectoryServer[];
  readonly authorityFile?: string;
  readonly filter?: string;
  readonly account?: { readonly dn: string; readonly password: string };
  readonly timeoutMs?: number;
  readonly addresses?: Readonly<Record<string, string>>;
}

const starttls: DirectoryServer = { protocol: 'ldap', host: NAME, port: 389 };
const ldaps: DirectoryServer = { protocol: 'ldaps', host: NAME, port: 636 };

function directory(ask: Ask = {}): Directory {
  const addresses = ask.addresses ?? { [NAME]: FIRST };
  return createDirectory({
    servers: ask.servers ?? [ldaps],
    authority: readFileSync(ask.authorityFile ?? authority.certificate, 'utf8'),
    base: BASE,
    userAttribute: 'uid',
    filter: ask.filter,
    account: ask.account ?? SEARCHER,
    timeoutMs: ask.timeoutMs ?? 5_000,
    restMs: 30_000,
    resolve: (host) => Promise.resolve([addresses[host] ?? host]),
    now: () => Date.now(),
    count: () => undefined,
  });
}

/** The answer to StartTLS (RFC 4511 §4.12) with that result code. */
function extendedResponse(request: Buffer, code: number): Buffer {
  const response = Buffer.from('300c02010078070a010004000400', 'hex');
  response[4] = request[4] ?? 0;
  response[9] = code;
  return response;
}

describe.skipIf(!canRun('passwords in a directory', ['slapd', 'openssl']))('a directory', () => {
  beforeAll(async () => {
    run = makeRunFolder('ldap');
    keeper = new ProcessKeeper(run.path);
    authority = new TestAuthority(run.path, 'directory');
    slapd = await startSlapd(keeper, {
      folder: run.path,
      address: FIRST,
      certificate: authority.issue([NAME]),
      authorityFile: authority.certificate,
      accounts: ACCOUNTS,
      ldif: MORE,
    });
  });
  afterAll(async () => {
    await keeper?.stopAll();
    run?.remove();
  });

  it.each([
    ['TLS from the first byte', ldaps],
    ['StartTLS', starttls],
  ])('says yes to the right password and no to others: %s', async (_, server) => {
    const asked = directory({ servers: [server] });
    expect(await asked.check({ user: 'alice', password: ACCOUNTS.alice })).toEqual({ kind: 'ok' });
    expect(await asked.check({ user: 'bob', password: ACCOUNTS.bob })).toEqual({ kind: 'ok' });
    expect(await asked.check({ user: 'ALICE', password: ACCOUNTS.alice })).toEqual({ kind: 'ok' });
    expect(await asked.check({ user: 'alice', password: 'wrong' })).toEqual({ kind: 'bad-credentials' });
  });

  it('does not ask with an empty password, which would be an anonymous bind (RFC 4513 §5.1.2)', async () => {
    const before = slapd.output().length;
    expect(await directory().check({ user: 'alice', password: '' })).toEqual({ kind: 'bad-credentials' });
    expect(slapd.output().length).toBe(before);
  });

  it.each([
    ['nobody', 'unknown-user'],
    ['*', 'unknown-user'],
    ['alice)(uid=*', 'unknown-user'],
    ['al*', 'unknown-user'],
    ['alice\u0000', 'unknown-user'],
    ['searcher', 'unknown-user'],
    [' alice', 'unknown-user'],
    ['twin', 'not-permitted'],
  ])('user %j is %s', async (user, kind) => {
    expect(await directory().check({ user, password: ACCOUNTS.alice })).toMatchObject({ kind });
  });

  it('lets in only whom the filter matches', async () => {
    const asked = directory({ filter: '(cn=bob)' });
    expect(await asked.check({ user: 'bob', password: ACCOUNTS.bob })).toEqual({ kind: 'ok' });
    expect(await asked.check({ user: 'alice', password: ACCOUNTS.alice })).toEqual({ kind: 'unknown-user' });
    expect(() => directory({ filter: '(cn=bob' })).toThrow();
  });

  it('keeps a locked account out whatever the password', async () => {
    const asked = directory();
    for (let attempt = 0; attempt < 3; attempt += 1) await asked.check({ user: 'locked', password: 'guess' });
    expect(await asked.check({ user: 'locked', password: ACCOUNTS.locked })).not.toEqual({ kind: 'ok' });
  });

  describe('when it cannot be asked, nobody is told that the password was wrong', () => {
    const alice = { user: 'alice', password: ACCOUNTS.alice };
    let other: TestAuthority;
    beforeAll(() => {
      other = new TestAuthority(run.path, 'other');
    });

    it.each<[string, () => Ask, RegExp]>([
      ['the authority is another', () => ({ authorityFile: other.certificate }), /certificate/],
      [
        'the name is another',
        () => ({
          servers: [{ ...ldaps, host: 'elsewhere.example.com' }],
          addresses: { 'elsewhere.example.com': FIRST },
        }),
        /elsewhere\.example\.com/,
      ],
      [
        'StartTLS with another name',
        () => ({
          servers: [{ ...starttls, host: 'elsewhere.example.com' }],
          addresses: { 'elsewhere.example.com': FIRST },
        }),
        /Hostname|altnames/,
      ],
      ['the server is down', () => ({ addresses: { [NAME]: SECOND } }), /ECONNREFUSED/],
      [
        'the search account is refused',
        () => ({ account: { ...SEARCHER, password: 'old' } }),
        /search account/,
      ],
    ])('%s', async (_, ask, cause) => {
      const answer = await directory(ask()).check(alice);
      expect(answer.kind).toBe('unreachable');
      expect('cause' in answer ? answer.cause : '').toMatch(cause);
      expect(JSON.stringify(answer)).not.toContain(ACCOUNTS.alice);
    });

    it('the next server is asked, and the one that failed is asked last afterwards', async () => {
      const asked = directory({
        servers: [{ ...ldaps, host: 'down.example.com' }, ldaps],
        addresses: { [NAME]: FIRST, 'down.example.com': SECOND },
      });
      expect(await asked.check(alice)).toEqual({ kind: 'ok' });
      expect(await asked.check(alice)).toEqual({ kind: 'ok' });
    });
  });

  describe('from a hostile place on the way', () => {
    const alice = { user: 'alice', password: ACCOUNTS.alice };
    const servers: Server[] = [];
    afterAll(() => servers.forEach((server) => server.close()));

    async function listen(onConnection: (socket: Socket) => void): Promise<Ask> {
      const server = createServer((socket) => onConnection(socket.on('error', () => undefined)));
      servers.push(server);
      await new Promise<void>((done) => server.listen(0, SECOND, done));
      const { port } = server.address() as AddressInfo;
      return { servers: [{ protocol: 'ldap', host: NAME, port }], addresses: { [NAME]: SECOND } };
    }

    it('silence is no answer, and no password leaves', async () => {
      const heard: Buffer[] = [];
      const ask = await listen((socket) => void socket.on('data', (piece: Buffer) => heard.push(piece)));
      const answer = await directory({ ...ask, timeoutMs: 300 }).check(alice);
      expect(answer).toMatchObject({
        kind: 'unreachable',
        cause: expect.stringMatching(/no answer within/) as string,
      });
      expect(Buffer.concat(heard).includes(ACCOUNTS.alice)).toBe(false);
    });

    it('a refusal of StartTLS ends the attempt: nothing is said in clear text', async () => {
      const heard: Buffer[] = [];
      const ask = await listen((socket) => {
        socket.on('data', (piece: Buffer) => {
          heard.push(piece);
          socket.write(extendedResponse(piece, 53));
        });
      });
      expect(await directory(ask).check(alice)).toMatchObject({ kind: 'unreachable' });
      expect(Buffer.concat(heard).includes(ACCOUNTS.alice)).toBe(false);
    });

    it('the end of the connection after StartTLS does not lead to a new one in clear text', async () => {
      const heard: Buffer[] = [];
      let connections = 0;
      const ask = await listen((socket) => {
        connections += 1;
        socket.on('data', (piece: Buffer) => {
          heard.push(piece);
          if (piece[0] === 0x30) socket.write(extendedResponse(piece, 0));
          else socket.destroy();
        });
      });
      expect(await directory(ask).check(alice)).toMatchObject({ kind: 'unreachable' });
      expect(connections).toBe(1);
      expect(Buffer.concat(heard).includes(ACCOUNTS.alice)).toBe(false);
    });

    it('an answer begun before TLS is not finished within it', async () => {
      // the first bytes of a bind response "success" whose rest, a long text, the real server would supply
      const begun = Buffer.from('30820100020102618200f90a0100040004820f', 'hex');
      const ask = await listen((socket) => {
        const real = connect({ host: FIRST, port: 389 }).on('error', () => undefined);
        let isFirst = true;
        real.on('data', (piece: Buffer) => {
          socket.write(isFirst ? Buffer.concat([piece, begun]) : piece);
          isFirst = false;
        });
        socket.on('data', (piece: Buffer) => real.write(piece));
        socket.on('close', () => real.destroy());
      });
      const answer = await directory(ask).check({ user: 'alice', password: 'wrong' });
      expect(['bad-credentials', 'unreachable']).toContain(answer.kind);
    });
  });
});

describe.skipIf(!canRun('sign-in against a directory', ['slapd', 'openssl']))('signing in', () => {
  const block = 49;
  const at = addressesOf(block);
  let company: Company;
  let server: StartedProcess;

  beforeAll(async () => {
    company = await foundCompany({
      block,
      core: {
        'rate-control': { logins: 0 },
        credentials: { lifetime: '1 min' },
        ldap: [
          {
            servers: [`ldaps://${at.ucm}`, `ldap://${at.ucm}`],
            authority: 'file:directory-authority.pem',
            base: BASE,
            'user-attribute': 'uid',
            'account-dn': SEARCHER.dn,
            'account-password': 'file:searcher',
          },
        ],
      },
    });
    const issuer = new TestAuthority(company.folder, 'directory');
    writeFileSync(path.join(company.folder, 'searcher'), SEARCHER.password, { mode: 0o600 });
    server = await startSlapd(company.keeper, {
      folder: company.folder,
      address: at.ucm,
      certificate: issuer.issue([at.ucm]),
      authorityFile: issuer.certificate,
      accounts: ACCOUNTS,
    });
    await company.start();
  });
  afterAll(() => company?.close());

  async function statusOf(user: string, password: string): Promise<number> {
    const client = webClient(company, at.client);
    try {
      return (await client.toEdge('get_edge_config', { user, password })).status;
    } finally {
      client.close();
    }
  }

  it('takes the password of the directory, not the one of Unified CM', async () => {
    expect(await statusOf('alice', ACCOUNTS.alice)).toBe(200);
    expect(await statusOf('alice', 'wonderland')).toBe(401);
    expect(await statusOf('alice', '')).toBe(401);
    expect(await statusOf('nobody', ACCOUNTS.alice)).toBe(401);
  });

  it('with the directory gone: 503, and a confirmed password goes on until its time is over', async () => {
    await server.stop();
    expect(await statusOf('bob', ACCOUNTS.bob)).toBe(503);
    expect(await statusOf('alice', ACCOUNTS.alice)).toBe(200);
    await until('the cause in the log', () => /ECONNREFUSED/.test(company.core.log(400)));
  });
});
