// Those who answer calls in the SIP benchmark: Debian's SIPp over TCP, 180 and 200 at once, with or without a session
// description. Nobody sends media: the benchmark is about signalling.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ProcessKeeper } from '../topology/process-keeper.ts';
import { until } from '../topology/until.ts';
import { listens } from './sip-listening.ts';

export interface AnsweringOptions {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** Answers an offer with a description of its own. */
  readonly withMedia: boolean;
}

/** Starts one SIPp that answers until it is stopped. */
export async function startAnswering(
  keeper: ProcessKeeper,
  folder: string,
  options: AnsweringOptions,
): Promise<void> {
  const file = path.join(folder, `${options.user}.xml`);
  writeFileSync(file, scenario(options));
  const words = ['/usr/bin/sipp', '-sf', file, '-t', 't1', '-i', options.address, '-p', String(options.port)];
  const sipp = keeper.start([...words, '-nostdin', '-deadcall_wait', '0', '-f', '60'], {
    name: `sipp-${options.user}`,
    cwd: folder,
    env: { TERM: 'dumb' },
  });
  await until(`SIPp answers as ${options.user}`, () => listens(options.address, options.port), {
    detail: () => sipp.tail(),
  });
}

const copied = '[last_Via:]\n[last_From:]';
const rest = '[last_Call-ID:]\n[last_CSeq:]';

function scenario({ user, withMedia }: AnsweringOptions): string {
  const contact = `Contact: <sip:${user}@[local_ip]:[local_port];transport=tcp>`;
  const dialog = `${copied}\n[last_To:];tag=[pid]u[call_number]\n${rest}\n[last_Record-Route:]\n${contact}`;
  const body = withMedia ? `Content-Type: application/sdp\nContent-Length: [len]\n\n${description}` : empty;
  return `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="answers">
<recv request="INVITE" crlf="true" />
<send><![CDATA[
SIP/2.0 180 Ringing
${dialog}
${empty}
]]></send>
<send><![CDATA[
SIP/2.0 200 OK
${dialog}
${body}
]]></send>
<recv request="ACK" crlf="true" />
<recv request="BYE" />
<send><![CDATA[
SIP/2.0 200 OK
${copied}
[last_To:]
${rest}
${empty}
]]></send>
</scenario>
`;
}

const empty = 'Content-Length: 0\n';

const description = `v=0
o=answer 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio 20000 RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=sendrecv
`;
