// The part of dns-packet 5.6 that the lab's name server uses; the package ships no types.
declare module 'dns-packet' {
  export interface Question {
    readonly type: string;
    readonly name: string;
    readonly class?: string;
  }
  export interface SrvData {
    readonly priority: number;
    readonly weight: number;
    readonly port: number;
    readonly target: string;
  }
  export interface SoaData {
    readonly mname: string;
    readonly rname: string;
    readonly serial: number;
    readonly refresh: number;
    readonly retry: number;
    readonly expire: number;
    readonly minimum: number;
  }
  export type Answer =
    | { readonly type: 'A'; readonly name: string; readonly ttl: number; readonly data: string }
    | { readonly type: 'SRV'; readonly name: string; readonly ttl: number; readonly data: SrvData }
    | { readonly type: 'SOA'; readonly name: string; readonly ttl: number; readonly data: SoaData }
    | { readonly type: 'OPT'; readonly name: string; readonly udpPayloadSize: number };
  export interface Packet {
    readonly type: 'query' | 'response';
    readonly id: number;
    readonly flags: number;
    readonly questions: readonly Question[];
    readonly answers?: readonly Answer[];
    readonly authorities?: readonly Answer[];
    readonly additionals?: readonly Answer[];
  }
  export const AUTHORITATIVE_ANSWER: number;
  export const TRUNCATED_RESPONSE: number;
  export const RECURSION_DESIRED: number;
  export function encode(packet: Packet): Buffer;
  export function decode(bytes: Buffer): Packet;
}
