import { expect, it } from 'vitest';
import { keepCompiledCiphers, keptCiphers } from './kept-ciphers.ts';
import { compiledCipherPrototypes, compiledPart, nativeBindingLoaded } from './ssh2-internals.ts';

it('what a connection frees is kept from the collector, without the connection round it', () => {
  if (!nativeBindingLoaded()) return;
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
