// The first message of each side on the control channel, and what follows from it: that both speak the same
// protocol, are who the keys say they are, agree on the time, and run the same configuration.
import { z } from 'zod';

/** Raised when edge and core of different releases could misunderstand each other. */
export const LINK_PROTOCOL = 1;

export const helloSchema = z.strictObject({
  protocol: z.int().min(1).max(1_000_000),
  name: z.string().min(1).max(253),
  /** Version of the software, for the operator only. */
  software: z.string().max(64),
  /** Hash of the shared part of the configuration; compared, never interpreted. */
  configHash: z.string().max(128),
  wallTimeMs: z.number().finite(),
});

export type Hello = z.infer<typeof helloSchema>;

export const pingSchema = z.strictObject({ wallTimeMs: z.number().finite() });

/** What is wrong with a peer's hello, in words; undefined if nothing is. */
export function helloProblem(hello: Hello, provenName: string): string | undefined {
  if (hello.protocol !== LINK_PROTOCOL)
    return `peer speaks link protocol ${hello.protocol} (software ${hello.software}), this side ${LINK_PROTOCOL}: run the same release on both`;
  if (hello.name !== provenName)
    return `peer's keys belong to ${provenName}, but it calls itself ${hello.name}`;
  return undefined;
}

/** "clock differs by 94 s", or undefined while the difference is within `limitMs`. */
export function skewWords(skewMs: number, limitMs: number): string | undefined {
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  if (Math.abs(skewMs) <= limitMs) return undefined;
  return `clock differs by ${seconds} s (the peer's is ${skewMs > 0 ? 'ahead' : 'behind'}): set both by NTP`;
}
