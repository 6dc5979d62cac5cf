// The ground itself: packets go where the guide's port tables let them, are counted where they do not, and names resolve
// differently outside and inside. Said before Viaduct stands on it, so that a later zero means something.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDnsmasq } from '../interop/dnsmasq.ts';
import { ADDRESS } from './addresses.ts';
import { buildGround, type Ground } from './enterprise.ts';
import { breakLinks, healLinks, readInner } from './firewalls.ts';
import type { Namespace } from './network.ts';
import { ProcessKeeper } from './process-keeper.ts';
import { canRun } from './requirements.ts';
import { makeRunFolder } from './run-folder.ts';

/** Opens a TCP connection from a namespace; resolves to `open`, or the error's code. */
const DIAL = `const s=require('node:net').connect({host:process.argv[1],port:+process.argv[2],timeout:700});
const end=(t)=>{console.log(t);process.exit(0)};
s.on('connect',()=>end('open'));s.on('error',(e)=>end(e.code));s.on('timeout',()=>end('silence'));`;

const LISTEN = `require('node:net').createServer((s)=>s.end()).listen(+process.argv[1],()=>console.log('listening'));`;

describe.skipIf(!canRun('firewalls of the topology', ['nft', 'dnsmasq']))('the ground', () => {
  const runFolder = makeRunFolder('ground');
  const folder = runFolder.path;
  const keeper = new ProcessKeeper(folder);
  let ground: Ground;

  beforeAll(async () => {
    ground = buildGround('ground');
    const listeners: [Namespace, number][] = [
      [ground.edge, 5061],
      [ground.edge, 22],
      [ground.edge, 2222],
      [ground.core, 5060],
    ];
    for (const [at, port] of listeners) {
      const one = keeper.start([process.execPath, '-e', LISTEN, String(port)], {
        inside: at.exec,
        name: `tcp-${port}`,
      });
      await one.said(/listening/);
    }
  });

  afterAll(async () => {
    await keeper.stopAll();
    ground.network.remove();
    runFolder.remove();
  });

  const dial = async (from: Namespace, to: string, port: number): Promise<string> => {
    const dialled = await keeper.run([process.execPath, '-e', DIAL, to, String(port)], {
      inside: from.exec,
      name: 'dial',
    });
    return dialled.trim();
  };

  test('a client reaches the doors of the edge by its public address, and nothing else', async () => {
    expect(await dial(ground.client, ADDRESS.edgePublic, 5061)).toBe('open');
    expect(await dial(ground.client, ADDRESS.edgePublic, 22)).toBe('silence');
    expect(await dial(ground.client, ADDRESS.core, 5060)).not.toBe('open');
  });

  test('core dials its planes and nothing else, and is counted', async () => {
    const before = readInner(ground.inner);
    expect(await dial(ground.core, ADDRESS.edgeInternal, 2222)).toBe('open');
    expect(await dial(ground.core, ADDRESS.edgeInternal, 22)).toBe('silence');
    const after = readInner(ground.inner);
    expect(after.openedByCore - before.openedByCore).toBe(1);
    expect(after.notAllowedOutward).toBeGreaterThan(before.notAllowedOutward);
    expect(after.replies).toBeGreaterThan(before.replies);
    expect(after.inward).toBe(0);
  });

  test('whoever tries to come in from the DMZ fails and is counted', async () => {
    expect(await dial(ground.edge, ADDRESS.core, 5060)).toBe('silence');
    expect(readInner(ground.inner).inward).toBeGreaterThan(0);
  });

  test.each([
    ['reset' as const, 'ECONNREFUSED'],
    ['silence' as const, 'silence'],
  ])('a plane can be broken by %s and healed', async (how, seen) => {
    breakLinks(ground.inner, ['ssh'], how);
    expect(await dial(ground.core, ADDRESS.edgeInternal, 2222)).toBe(seen);
    healLinks(ground.inner);
    expect(await dial(ground.core, ADDRESS.edgeInternal, 2222)).toBe('open');
  });

  test('each side of the firewall has its own view of names', async () => {
    await startDnsmasq(keeper, {
      name: 'outside',
      at: ground.internet,
      address: ADDRESS.internetNearClients,
      hosts: { 'edge.example.com': ADDRESS.edgePublic },
      services: { '_collab-edge._tls.example.com': { target: 'edge.example.com', port: 8443 } },
    });
    const resolve = `const d=require('node:dns');const s=(n)=>new Promise((r)=>d.resolveSrv(n,(e,a)=>r(e?e.code:a[0].name+':'+a[0].port)));
      Promise.all(['_collab-edge._tls.example.com','_cisco-uds._tcp.example.com'].map(s)).then((a)=>console.log(a.join(' ')))`;
    const said = await keeper.run([process.execPath, '-e', resolve], {
      inside: ground.client.exec,
      name: 'resolve',
    });
    expect(said.trim()).toBe('edge.example.com:8443 ENOTFOUND');
  });
});
