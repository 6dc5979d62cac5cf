// Zone data as an administrator would write it, in the row form of RFC 1035 §5.1: `name [ttl] IN type data`.
// Only what the lab needs: A and SRV, `@` and names relative to the origin, `;` comments. Anything else is an
// error with its line number.

export interface AddressRecord {
  readonly type: 'A';
  readonly name: string;
  readonly ttl: number;
  readonly address: string;
}

/** RFC 2782. */
export interface ServiceRecord {
  readonly type: 'SRV';
  readonly name: string;
  readonly ttl: number;
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

export type ZoneRecord = AddressRecord | ServiceRecord;

/** A zone this server speaks for. Names are absolute, in lower case, without the final dot. */
export interface Zone {
  readonly origin: string;
  readonly records: readonly ZoneRecord[];
}

export class ZoneTextError extends Error {
  readonly line: number;
  constructor(line: number, problem: string) {
    super(`zone line ${line}: ${problem}`);
    this.name = 'ZoneTextError';
    this.line = line;
  }
}

const defaultTtl = 60;

/** Reads zone text. Throws ZoneTextError. */
export function parseZone(origin: string, text: string): Zone {
  const base = canonicalName(origin);
  const records: ZoneRecord[] = [];
  for (const [index, row] of text.split('\n').entries()) {
    const fields = (row.split(';')[0] ?? '').trim().split(/\s+/);
    if (fields[0] !== '') records.push(parseRow(base, fields, index + 1));
  }
  return { origin: base, records };
}

function parseRow(origin: string, fields: readonly string[], line: number): ZoneRecord {
  const [first = '', ...rest] = fields;
  const name = absoluteName(origin, first);
  const ttl = /^\d+$/.test(rest[0] ?? '') ? Number(rest.shift()) : defaultTtl;
  if (rest[0]?.toUpperCase() === 'IN') rest.shift();
  const [type = '', ...data] = rest;
  if (type.toUpperCase() === 'A') return { type: 'A', name, ttl, address: address(data, line) };
  if (type.toUpperCase() === 'SRV') return { type: 'SRV', name, ttl, ...service(origin, data, line) };
  throw new ZoneTextError(line, `record type ${JSON.stringify(type)} is not one of A, SRV`);
}

function address(data: readonly string[], line: number): string {
  const [text = ''] = data;
  const octets = text.split('.');
  const valid =
    octets.length === 4 && octets.every((octet) => /^\d{1,3}$/.test(octet) && Number(octet) < 256);
  if (data.length !== 1 || !valid) throw new ZoneTextError(line, 'A wants one IPv4 address');
  return text;
}

function service(origin: string, data: readonly string[], line: number) {
  const [priority, weight, port] = data.slice(0, 3).map(Number);
  const target = data[3];
  const numbers = [priority, weight, port];
  if (
    data.length !== 4 ||
    !numbers.every((value) => Number.isInteger(value) && value! >= 0 && value! < 65_536)
  ) {
    throw new ZoneTextError(line, 'SRV wants priority, weight, port (0 to 65535) and a target');
  }
  return { priority: priority!, weight: weight!, port: port!, target: absoluteName(origin, target!) };
}

function absoluteName(origin: string, name: string): string {
  if (name === '@') return origin;
  return name.endsWith('.') ? canonicalName(name) : canonicalName(`${name}.${origin}`);
}

/** Lower case without the final dot: the form in which names are compared. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
