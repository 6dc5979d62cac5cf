// What edge and core say of themselves on their admin listeners, as an operator would read it: /health and /status.
import { get } from 'node:http';

/** State and cause of one plane of a link, as `/status` shows it. */
export interface PlaneReport {
  readonly name: string;
  readonly state: string;
  readonly cause: string;
}

export interface ProcessReport {
  readonly isHealthy: boolean;
  readonly planes: readonly PlaneReport[];
}

/** Asks once; undefined while nobody listens yet. */
export async function readProcessStatus(address: string, port: number): Promise<ProcessReport | undefined> {
  try {
    const base = { host: address, port, agent: false, timeout: 1_000 } as const;
    const [health, status] = await Promise.all([
      fetchText({ ...base, path: '/health' }),
      fetchText({ ...base, path: '/status' }),
    ]);
    return { isHealthy: health.status === 200, planes: readPlanes(JSON.parse(status.text)) };
  } catch {
    return undefined;
  }
}

/** The planes of every link in a status document, wherever they stand in it. */
export function readPlanes(document: unknown): PlaneReport[] {
  if (typeof document !== 'object' || document === null) return [];
  return Object.entries(document).flatMap(([key, value]: [string, unknown]) =>
    key === 'planes' && typeof value === 'object' && value !== null
      ? Object.entries(value).map(([name, plane]: [string, unknown]) => planeReport(name, plane))
      : readPlanes(value),
  );
}

function planeReport(name: string, plane: unknown): PlaneReport {
  const fields = (typeof plane === 'object' && plane !== null ? plane : {}) as Record<string, unknown>;
  const text = (key: string): string => (typeof fields[key] === 'string' ? fields[key] : '');
  return { name, state: text('state'), cause: text('cause') };
}

async function fetchText(where: object): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = get(where, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error('no answer')));
  });
}
