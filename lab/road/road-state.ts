// What one step of the road brings and later ones need.
import { type Call } from '../client/call.ts';
import { type ChatClient } from '../client/chat-client.ts';
import { type ServiceTarget } from '../client/discovery.ts';
import { type EdgeConfig } from '../client/edge-config.ts';
import { type EdgeRequests } from '../client/edge-requests.ts';
import { type Phone } from '../client/phone.ts';
import { type LabDevice, type LabUser } from '../unified-cm/enterprise.ts';

export interface Road {
  edge?: ServiceTarget & { address: string };
  requests?: EdgeRequests;
  config?: EdgeConfig;
  /** Set-Cookie of the sign-in. */
  cookie?: string;
  /** Access token of the client outside. */
  token?: string;
  alice?: Phone;
  bob?: Phone;
  chatOutside?: ChatClient;
  chatInside?: ChatClient;
  call?: { atAlice: Call; atBob: Call };
}

/** Somebody of the enterprise with the device they use. */
export interface Person {
  readonly user: LabUser;
  readonly device: LabDevice;
}

/** How a step that could not be tried names what it lacked. */
export const needs = {
  edge: 'the edge found by DNS',
  signIn: 'the sign-in',
  token: 'an access token',
  alice: "the client's registration",
  bob: "the desk phone's registration",
  call: 'a call',
  chat: 'the sign-in to messaging',
} as const;

/** Longest wait for one answer. */
export const requestTimeoutMs = 4_000;
