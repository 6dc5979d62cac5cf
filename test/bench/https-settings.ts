// What the two processes of the HTTPS benchmark are told, and the limits they run with. The numbers are those of the
// product's defaults wherever one exists.
import { type ClientLimits, type ServerLimits, USUAL_METHODS } from '../../http/index.ts';

/** Passed to both processes as JSON on the command line. */
export interface BenchSettings {
  readonly folder: string;
  readonly edgePort: number;
  readonly sshPort: number;
  readonly sipPort: number;
  readonly backendPort: number;
}

export const EDGE = 'edge.example.com';
export const CORE = 'core.inside';

const head = { maxHeadBytes: 32_768, maxTargetBytes: 8192, maxHeaders: 100, maxHeaderNameBytes: 256 };

export const serverLimits: ServerLimits = {
  ...head,
  methods: USUAL_METHODS,
  maxBodyBytes: 2 ** 40,
  idleMs: 65_000,
  headMs: 10_000,
  bodyMs: 30_000,
  minBodyBytes: 1024,
  writeMs: 30_000,
  lingerBytes: 65_536,
  lingerMs: 2000,
  maxBufferedBytes: 262_144,
  maxRequests: 2 ** 40,
};

export const clientLimits: ClientLimits = {
  ...head,
  maxHeadBytes: 65_536,
  responseMs: 60_000,
  bodyMs: 60_000,
  writeMs: 30_000,
  maxBufferedBytes: 262_144,
  maxInterim: 8,
};

/** Settings of the link as both ends have them. */
export const linkSettings = {
  timing: { loginTimeoutMs: 5000, pingIntervalMs: 1500, deadAfterMs: 4000, requestTimeoutMs: 5000 },
  limits: {
    channels: {
      maxChannels: 1000,
      maxReceivedBytes: 4 * 1024 * 1024,
      maxReceivedBytesInAll: 256 * 1024 * 1024,
      socketPauseBytes: 1024 * 1024,
    },
    maxQueuedBytes: 64 * 1024 * 1024,
    maxControlQueuedBytes: 1024 * 1024,
    maxOutstandingRequests: 64,
    maxHandledRequests: 64,
  },
  status: { clockWarnMs: 10_000, expiryWarnDays: 30, configHash: 'bench' },
  software: 'bench',
};
