// `viaduct saml` and `viaduct tokens` as an operator types them.
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { afterEach, expect, test } from 'vitest';
import { addSamlCommands } from './saml.ts';
import { addTokenCommands } from './tokens.ts';

const said: string[] = [];
const terminal = {
  print: (text: string) => void said.push(text),
  complain: () => undefined,
  fail: () => undefined,
};
const folders: string[] = [];
afterEach(() => {
  said.length = 0;
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

async function run(...words: string[]): Promise<void> {
  const program = new Command('viaduct').exitOverride();
  addSamlCommands(program, terminal);
  addTokenCommands(program, terminal);
  await program.parseAsync(words, { from: 'user' });
}

test('a certificate is made once, its key for the owner only', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'viaduct-saml-cli-'));
  folders.push(folder);
  const out = path.join(folder, 'saml');
  await run('saml', 'certificate', 'core.example.com', '--days', '30', '--out', out);
  const certificate = new X509Certificate(readFileSync(`${out}.pem`));
  expect(certificate.subject).toBe('CN=core.example.com');
  expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(3072);
  expect(statSync(`${out}.key`).mode & 0o077).toBe(0);
  await expect(run('saml', 'certificate', 'core.example.com', '--out', out)).rejects.toThrow(/EEXIST/);
  await expect(run('saml', 'certificate', 'x', '--days', '0', '--out', out)).rejects.toThrow(
    /no number of days/,
  );
});

test('a core that does not answer is told in words', async () => {
  await expect(run('tokens', 'list', '--url', 'http://127.0.0.1:1/')).rejects.toThrow(/is the core running/);
  await expect(run('tokens', 'revoke', 'alice', '--url', 'nonsense')).rejects.toThrow(/is no URL/);
});
