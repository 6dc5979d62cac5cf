// What only the native engine can get wrong: its thread's life beside that of the JavaScript that made it.
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { loadBinding } from './binding.ts';
import { openLoop } from './test-loop-worker.ts';

const absent = 'missing' in loadBinding();

describe.skipIf(absent)('a native engine with packets in flight', () => {
  test('closes at once, again and again, and is empty then', async () => {
    for (let round = 0; round < 20; round++) {
      const { engine, flow } = await openLoop();
      while (engine.counters(flow).packetsIn < 100) await turn();
      await engine.close();
      await engine.close();
      expect(engine.sizes()).toEqual({ ports: 0, links: 0, crypto: 0, flows: 0, captures: 0 });
    }
  });

  test('flows, ports and keys come and go beside it', async () => {
    const { engine, flow } = await openLoop();
    const master = { key: Buffer.alloc(16, 1), salt: Buffer.alloc(14, 2) };
    for (let round = 0; round < 500; round++) {
      const suite = 'AES_CM_128_HMAC_SHA1_80';
      const crypto = engine.addCrypto({ direction: 'unprotect', suite, master });
      engine.changeFlow(flow, { unprotect: [crypto] });
      engine.removeCrypto(crypto);
      engine.changeFlow(flow, { unprotect: [] });
      const port = await engine.openPort({ bind: { address: '127.0.0.1', port: 0 }, use: 'media' });
      engine.closePort(port.id);
    }
    const before = engine.counters(flow).packetsIn;
    while (engine.counters(flow).packetsIn === before) await turn();
    expect(engine.sizes()).toEqual({ ports: 3, links: 0, crypto: 0, flows: 2, captures: 0 });
    await engine.close();
  });

  test('ends with the worker thread that made it', async () => {
    for (let round = 0; round < 3; round++) {
      const worker = new Worker(new URL('./test-loop-worker.ts', import.meta.url));
      expect(await once(worker, 'message')).toEqual(['going round']);
      expect(await worker.terminate()).toBe(1);
    }
  });
});
