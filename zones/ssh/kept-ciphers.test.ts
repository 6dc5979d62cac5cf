import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { keepCompiledCiphers, KeptObjects, keptCiphers } from './kept-ciphers.ts';
import { compiledCipherPrototypes, compiledPart, nativeBindingLoaded } from './ssh2-internals.ts';

it.runIf(nativeBindingLoaded())('what a connection frees is kept, without the connection round it', () => {
  keepCompiledCiphers();
  keepCompiledCiphers();
  const prototypes = compiledCipherPrototypes();
  expect(prototypes).toHaveLength(2);
  for (const prototype of prototypes) {
    const before = keptCiphers();
    const cipher = Object.assign(Object.create(prototype) as { free(): void }, {
      _instance: { free: () => undefined },
    });
    expect(compiledPart(cipher)).toBeDefined();
    cipher.free();
    expect(keptCiphers()).toBe(before + 1);
  }
});

it('what is kept is bounded; only what was freed long ago is given up', () => {
  let collections = 0;
  const kept = new KeptObjects(10, () => (collections += 1));
  for (let i = 0; i < 100; i += 1) {
    kept.keep({});
    expect(kept.size).toBeLessThanOrEqual(10);
  }
  expect(collections).toBe(19);
});

it.runIf(nativeBindingLoaded())('a process that drops ciphers by the thousand lives on', () => {
  const url = (name: string): string => new URL(name, import.meta.url).href;
  const program = `
    import { keepCompiledCiphers, keptCiphers } from '${url('./kept-ciphers.ts')}';
    import { createRequire } from 'node:module';
    const { createCipher, CIPHER_INFO } = createRequire('${fileURLToPath(import.meta.url)}')('ssh2/lib/protocol/crypto.js');
    keepCompiledCiphers();
    const make = () => createCipher({ outbound: {
      seqno: 0, onWrite() {}, cipherInfo: CIPHER_INFO['aes128-gcm@openssh.com'], cipherKey: Buffer.alloc(16), cipherIV: Buffer.alloc(12),
    } });
    let rounds = 0;
    const round = () => {
      for (let i = 0; i < 2000; i += 1) make().free();
      Buffer.allocUnsafeSlow(30e6); // makes the collector run by itself
      rounds += 1;
      if (rounds < 20) setTimeout(round, 1);
      else console.log(keptCiphers() <= 4096 ? 'lives' : 'grows');
    };
    round();
  `;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(output.trim()).toBe('lives');
});
