// SSH keys of our own making are read by ssh2, whatever bytes they begin with, and sign for the public key they show.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import ssh2 from 'ssh2';
import { describe, expect, it } from 'vitest';
import { createSshKey, printSshKey } from './ssh-key.ts';

// the PKCS #8 and RFC 8032 §7.1 test 1 seed
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SEED = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');

/** The first key whose public half begins with a zero byte, counting up the last bytes of the seed. */
function keyWithLeadingZero(): { seed: Buffer; publicKey: Buffer } {
  const seed = Buffer.from(SEED);
  for (let count = 0; ; count += 1) {
    seed.writeUInt32BE(count, 28);
    const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
    const publicKey = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url');
    if (publicKey[0] === 0) return { seed, publicKey };
  }
}

describe('an SSH key', () => {
  it.each([
    ['a fresh one', () => createSshKey('core.inside')],
    ['one without comment', () => createSshKey('')],
    [
      'one whose public half begins with zero',
      () => {
        const { seed, publicKey } = keyWithLeadingZero();
        return printSshKey(seed, publicKey, 'core.inside');
      },
    ],
  ])('%s is read and signs', (_name, make) => {
    const key = ssh2.utils.parseKey(make());
    if (key instanceof Error) throw key;
    const data = Buffer.from('data');
    expect(key.type).toBe('ssh-ed25519');
    expect(key.isPrivateKey()).toBe(true);
    expect(key.verify(data, key.sign(data))).toBe(true);
    expect(key.getPublicSSH()).toHaveLength(51);
  });

  it('is another each time', () => {
    expect(createSshKey('a')).not.toBe(createSshKey('a'));
  });
});
