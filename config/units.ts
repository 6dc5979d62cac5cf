// Leaf values of the configuration: durations, sizes, ports, addresses, names. Each carries, in its metadata, the
// sentence that tells an operator what is allowed, so that an error and the JSON Schema say the same thing.
// A file's text is trusted to be ours; its mistakes are not: nothing is guessed, a bare number has no unit.
import { isIP } from 'node:net';
import { z } from 'zod';

declare module 'zod' {
  interface GlobalMeta {
    /** What a correct value looks like, completing the sentence "Allowed: …". */
    allowed?: string;
  }
}

const DURATION_MS: Record<string, number> = {
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const SIZE_BYTES: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

function quantity(text: string, units: Record<string, number>): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,6})?) ?([A-Za-z]{1,3})$/.exec(text);
  const factor = match?.[2] === undefined ? undefined : units[match[2]];
  return factor === undefined ? undefined : Math.round(Number(match?.[1]) * factor);
}

function measured(
  kind: string,
  units: Record<string, number>,
  least: string,
  most: string,
  fallback: string,
) {
  const low = quantity(least, units) ?? 0;
  const high = quantity(most, units) ?? Number.MAX_SAFE_INTEGER;
  const allowed = `a ${kind} with its unit (${Object.keys(units).join(', ')}), ${least} to ${most}`;
  return z
    .string()
    .transform((text, context) => {
      const value = quantity(text, units);
      if (value !== undefined && value >= low && value <= high) return value;
      context.issues.push({
        code: 'custom',
        message: `${JSON.stringify(text)} is not ${allowed}`,
        input: text,
      });
      return z.NEVER;
    })
    .meta({ allowed })
    .prefault(fallback);
}

/** A duration such as `30 s` or `480 min`; the parsed value is in milliseconds. */
export function duration(least: string, most: string, fallback: string) {
  return measured('duration', DURATION_MS, least, most, fallback);
}

/** A size such as `64 KiB`; the parsed value is in bytes. */
export function size(least: string, most: string, fallback: string) {
  return measured('size', SIZE_BYTES, least, most, fallback);
}

/** A whole number inside a closed range. */
export function count(least: number, most: number, fallback: number) {
  return z
    .int()
    .min(least)
    .max(most)
    .meta({ allowed: `a whole number, ${least} to ${most}` })
    .default(fallback);
}

/** A switch written as YAML's true or false. */
export function toggle(fallback: boolean) {
  return z.boolean().meta({ allowed: 'true or false' }).default(fallback);
}

/** One of a closed set of words. */
export function choice<const Words extends readonly [string, ...string[]]>(
  words: Words,
  fallback: Words[number],
) {
  return z
    .enum(words)
    .meta({ allowed: `one of ${words.join(', ')}` })
    .default(fallback as never);
}

/** A TCP or UDP port, 1 to 65535. */
export function port(fallback: number) {
  return count(1, 65535, fallback).meta({ allowed: 'a port, 1 to 65535' });
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** A range of ports written `36002-59999`, inside `least` and `most`. */
export function portRange(least: number, most: number, fallback: string) {
  const allowed = `a range of ports FIRST-LAST inside ${least}-${most}`;
  return z
    .string()
    .transform((text, context): PortRange => {
      const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
      const first = Number(match?.[1]);
      const last = Number(match?.[2]);
      if (match && first >= least && last <= most && first < last) return { first, last };
      context.issues.push({
        code: 'custom',
        message: `${JSON.stringify(text)} is not ${allowed}`,
        input: text,
      });
      return z.NEVER;
    })
    .meta({ allowed })
    .prefault(fallback);
}

/** A range of media ports: RTP even, RTCP the odd one above it, so it starts even and ends odd. */
export function mediaPortRange(fallback: string) {
  return portRange(1024, 65535, fallback)
    .refine(({ first, last }) => first % 2 === 0 && last % 2 === 1, { error: 'must start even and end odd' })
    .meta({ allowed: 'a range of ports FIRST-LAST inside 1024-65535, FIRST even and LAST odd' });
}

/** True for a DNS name of a host: labels of letters, digits and inner hyphens, 253 characters at most (RFC 1123 §2.1). */
export function isHostName(text: string): boolean {
  return (
    text.length <= 253 &&
    text.split('.').every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label)) &&
    isIP(text) === 0
  );
}

/** A host name, folded to lower case. An underscore is refused: it breaks certificate checks of the peers. */
export function hostName() {
  return z
    .string()
    .refine(isHostName, { error: (issue) => `${JSON.stringify(issue.input)} is not a host name` })
    .transform((name) => name.toLowerCase())
    .meta({ allowed: 'a fully qualified host name such as edge.example.com' });
}

/** An IPv4 or IPv6 address. */
export function ipAddress() {
  return z
    .string()
    .refine((text) => isIP(text) !== 0, {
      error: (issue) => `${JSON.stringify(issue.input)} is not an IP address`,
    })
    .meta({ allowed: 'an IPv4 or IPv6 address' });
}

/** A host name or an IP address. */
export function host() {
  return z
    .string()
    .refine((text) => isHostName(text) || isIP(text) !== 0, {
      error: (issue) => `${JSON.stringify(issue.input)} is neither a host name nor an IP address`,
    })
    .transform((name) => name.toLowerCase())
    .meta({ allowed: 'a host name or an IP address' });
}

/** True for a name server as `node:dns` takes it: an address, or one with a port. */
export function isNameServer(text: string): boolean {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([\d.]+)):(\d{1,5})$/.exec(text);
  if (match === null) return isIP(text) !== 0;
  const address = match[1] ?? match[2] ?? '';
  return isIP(address) !== 0 && Number(match[3]) >= 1 && Number(match[3]) <= 65_535;
}

/** A range of addresses. Bits right of the prefix are refused when the server is made, which names the entry too. */
export function ipRange() {
  return z
    .string()
    .refine(isRange, { error: (issue) => `${JSON.stringify(issue.input)} is not a range of addresses` })
    .meta({ allowed: 'an address or ADDRESS/BITS, such as 10.20.0.0/16 or 2001:db8:1::/48' });
}

function isRange(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || rest.length > 0) return false;
  return bits === undefined || (/^(0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}
