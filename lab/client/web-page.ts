// What a client's embedded browser does with a page: finds the form, fills it in, sends it. Reads only pages as simple as
// the lab's; trusts the site it has verified by TLS.
import { request } from 'node:https';

export interface Form {
  readonly action: string;
  readonly fields: Readonly<Record<string, string>>;
}

const unescape = (text: string): string =>
  text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&amp;', '&');

/** The first form of a page. */
export function readForm(html: string): Form | undefined {
  const form = /<form[^>]*action="([^"]*)"[^>]*>([^]*?)<\/form>/.exec(html);
  if (form === null) return undefined;
  const inputs = (form[2] ?? '').matchAll(/<input[^>]*>/g);
  const fields = [...inputs].map(([tag]): [string, string] => [
    unescape(/name="([^"]*)"/.exec(tag)?.[1] ?? ''),
    unescape(/value="([^"]*)"/.exec(tag)?.[1] ?? ''),
  ]);
  return { action: unescape(form[1] ?? ''), fields: Object.fromEntries(fields) };
}

export interface Site {
  readonly address: string;
  /** PEM. */
  readonly authority: string;
  readonly localAddress: string;
  readonly timeoutMs: number;
}

/** GET, or POST of a form, without following anything. */
export async function visit(site: Site, url: URL, form?: Readonly<Record<string, string>>): Promise<string> {
  const body = form === undefined ? undefined : new URLSearchParams(form).toString();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const type = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const outgoing = request(
    {
      host: site.address,
      port: Number(url.port || 443),
      path: `${url.pathname}${url.search}`,
      method: body === undefined ? 'GET' : 'POST',
      headers: { Host: url.host, ...(body === undefined ? {} : type) },
      ca: site.authority,
      servername: url.hostname,
      localAddress: site.localAddress,
      agent: false,
    },
    (answer) => {
      let text = '';
      answer.on('error', reject);
      answer.on('data', (piece: Buffer) => (text += piece.toString('utf8')));
      answer.on('end', () => resolve(text));
    },
  );
  outgoing.on('error', reject);
  outgoing.setTimeout(site.timeoutMs, () =>
    outgoing.destroy(new Error(`no answer within ${site.timeoutMs} ms`)),
  );
  outgoing.end(body);
  return promise;
}
