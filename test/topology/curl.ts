// curl outside as the HTTPS client: what came back as a value, with the edge's certificate checked by name.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { DOMAIN, EDGE_NAME } from './addresses.ts';
import type { Stage } from './stage.ts';

export interface CurlAnswer {
  readonly status: number;
  /** Lower-case names; the last one wins where a name repeats. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Bytes of body, also when it was not kept. */
  readonly bytes: number;
}

export interface CurlOptions {
  readonly user?: string;
  readonly cookie?: string;
  readonly headers?: readonly string[];
  /** Count the body, do not keep it. */
  readonly discard?: boolean;
  readonly method?: string;
  readonly timeoutSeconds?: number;
  /** Further words for curl. */
  readonly words?: readonly string[];
}

let serial = 0;

/** The first path segment: base64url without padding. */
export function lane(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** One request to `https://<edge>:8443/<path>` from the client's namespace. */
export async function curl(
  stage: Stage,
  pathAndQuery: string,
  options: CurlOptions = {},
): Promise<CurlAnswer> {
  // Not /dev/stderr: where that is a socket, curl 7.88 cannot open it and crashes.
  const headerFile = path.join(stage.folder.path, `curl-headers-${serial++}`);
  const words = [
    'curl',
    '--silent',
    '--show-error',
    '--path-as-is',
    '--max-time',
    String(options.timeoutSeconds ?? 20),
    '--cacert',
    stage.publicAuthority.certificate,
    '--dump-header',
    headerFile,
    '--output',
    options.discard === true ? '/dev/null' : '-',
    '--write-out',
    '%{stderr}curl-counted %{http_code} %{size_download}\n',
    ...(options.method === undefined ? [] : ['--request', options.method]),
    ...(options.user === undefined ? [] : ['--user', options.user]),
    ...(options.cookie === undefined ? [] : ['--cookie', options.cookie]),
    ...(options.headers ?? []).flatMap((header) => ['--header', header]),
    ...(options.words ?? []),
    `https://${EDGE_NAME}:8443/${pathAndQuery}`,
  ];
  const one = stage.keeper.start(words, {
    inside: stage.ground.client.exec,
    name: 'curl',
    splitOutput: true,
  });
  const how = await one.ended;
  const counted = /curl-counted (\d+) (\d+)/.exec(one.errorOutput());
  if (how !== 0 || counted === null) throw new Error(`curl ended with ${how}:\n${one.errorOutput()}`);
  const lines = readFileSync(headerFile, 'latin1').split('\r\n');
  const headers = Object.fromEntries(
    lines
      .filter((line) => /^[\w-]+:/.test(line))
      .map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
      }),
  );
  return { status: Number(counted[1]), headers, body: one.output(), bytes: Number(counted[2]) };
}

/** Signs in as a user of the lab's enterprise and returns the cookie and the settings. */
export async function signIn(
  stage: Stage,
  user: string,
): Promise<{ cookie: string; settings: string; answer: CurlAnswer }> {
  const query = 'service_name=_cisco-uds&service_name=_cuplogin';
  const answer = await curl(stage, `${lane(DOMAIN)}/get_edge_config?${query}`, { user });
  const cookie = /^(X-Auth=[^;]+)/.exec(answer.headers['set-cookie'] ?? '')?.[1] ?? '';
  return { cookie, settings: answer.body, answer };
}
