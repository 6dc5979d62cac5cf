// Fingerprints of SSH keys as ssh-keygen prints them (SHA256:, base64 without padding, of the RFC 4253 §6.6 public
// key blob). They are what a zone pins.
import { createHash } from 'node:crypto';
import ssh2 from 'ssh2';

/** Fingerprint of a public key blob as it crosses the wire. */
export function blobFingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** Fingerprint of a key in OpenSSH's text form, private or public. Throws if it is no key. */
export function sshFingerprint(text: string): string {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) throw key;
  return blobFingerprint(key.getPublicSSH());
}
