// Mobility (RFC 8016): a ticket with which a client takes its allocation to another 5-tuple. A ticket names the
// allocation and a serial under an HMAC; only the newest serial is good and only in the hands of the allocation's own
// user, so that neither a stolen nor a replayed ticket moves anything (T-012). Keeps nothing but the serial.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ATTRIBUTE, type StunAttribute } from '../stun-attribute.ts';
import type { Allocation } from './allocation.ts';
import type { AllocationId } from './turn-input.ts';

const MAC_BYTES = 16;
const NAME_BYTES = 12;

/** MOBILITY-TICKET for the allocation's present serial: | id, 8 bytes | serial, 4 bytes | HMAC, 16 bytes |. */
export function mobilityTicket(secret: Buffer, allocation: Allocation): StunAttribute {
  const name = Buffer.alloc(NAME_BYTES);
  name.writeBigUInt64BE(BigInt(allocation.id));
  name.writeUInt32BE(allocation.ticket, 8);
  return { type: ATTRIBUTE.mobilityTicket, value: Buffer.concat([name, mac(secret, name)]) };
}

/** The allocation and serial that a ticket of ours names; undefined for anything else. */
export function readTicket(
  secret: Buffer,
  value: Buffer,
): { readonly allocation: AllocationId; readonly serial: number } | undefined {
  if (value.length !== NAME_BYTES + MAC_BYTES) return undefined;
  const name = value.subarray(0, NAME_BYTES);
  if (!timingSafeEqual(mac(secret, name), value.subarray(NAME_BYTES))) return undefined;
  return { allocation: Number(name.readBigUInt64BE()), serial: name.readUInt32BE(8) };
}

function mac(secret: Buffer, name: Buffer): Buffer {
  return createHmac('sha256', secret).update(name).digest().subarray(0, MAC_BYTES);
}
