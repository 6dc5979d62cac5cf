// The torture messages of RFC 4475: §3.1.1 must parse, §3.1.2 must be refused with the status given, §3.3 and §3.4 are
// for the elements above, here they must parse or be refused as said. Where we are stricter than the RFC asks, the row
// says so. Long repeated parts are made by `repeat`.

import { describe, expect, it } from 'vitest';
import { SipParseError } from './parse-error.ts';
import { parseMessage } from './parse.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { hasMagicCookie } from './via.ts';

interface Row {
  readonly section: string;
  readonly name: string;
  readonly lines: readonly string[];
  readonly body?: string;
  /** Status a refusal carries; undefined: the message parses. */
  readonly status?: number;
  readonly look?: (message: SipRequest | SipResponse) => unknown;
  readonly sees?: unknown;
}

const SDP =
  'v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\nm=audio 49217 RTP/AVP 0 12\r\n';
const VIA = 'Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK7653';
const BASE = [
  VIA,
  'Max-Forwards: 70',
  'From: <sip:caller@example.net>;tag=93942939o2',
  'To: sip:user@example.com',
  'Call-ID: base@192.0.2.2',
];

const VALID: readonly Row[] = [
  {
    section: '3.1.1.1',
    name: 'a short tortuous INVITE',
    lines: [
      'INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0',
      'TO :',
      ' sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n',
      'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>',
      '  ;',
      '  tag = 98asjd8',
      'MaX-fOrWaRdS: 0068',
      'Call-ID: wsinv.ndaksdj@192.0.2.1',
      'Content-Length   : 150',
      'cseq: 0009',
      '  INVITE',
      'Via  : SIP  /   2.0',
      ' /UDP',
      '    192.0.2.2;branch=390skdjuw',
      's :',
      'NewFangledHeader:   newfangled value',
      ' continued newfangled value',
      'UnknownHeaderWithUnusualValue: ;;,,;;,;',
      'Content-Type: application/sdp',
      'Route:',
      ' <sip:services.example.com;lr;unknownwith=value;unknown-no-value>',
      'v:  SIP  / 2.0  / TCP     spindle.example.com   ;',
      '  branch  =   z9hG4bK9ikj8  ,',
      ' SIP  /    2.0   / UDP  192.168.255.111   ; branch=',
      ' z9hG4bK30239',
      'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =',
      '      newvalue ;',
      '  secondparam ; q = 0.33',
    ],
    body: `${SDP}m=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n`,
    look: (message) => [
      message.to.tag,
      message.from.displayName,
      message.from.tag,
      message.maxForwards,
      message.cseq,
      message.vias.map((via) => `${via.transport} ${via.host} ${via.branch}`),
      message.headers.get('subject'),
      message.headers.get('NewFangledHeader'),
      message.contacts === '*'
        ? ''
        : message.contacts.map((contact) => [contact.uriText, contact.param('q')]),
    ],
    sees: [
      '1918181833n',
      'J Rosenberg \\"',
      '98asjd8',
      68,
      { number: 9, method: 'INVITE' },
      ['UDP 192.0.2.2 390skdjuw', 'TCP spindle.example.com z9hG4bK9ikj8', 'UDP 192.168.255.111 z9hG4bK30239'],
      '',
      'newfangled value continued newfangled value',
      [['sip:jdrosen@example.com', '0.33']],
    ],
  },
  {
    section: '3.1.1.2',
    name: 'wide range of valid characters',
    lines: [
      "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0",
      "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
      'To: "BEL:\\\x07 NUL:\\ DEL:\\\x7F" <sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*@example.com>',
      "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\xD1\x80\xD0\xB0\xD0\xB1\xD0\xBE\xD1\x82\xD0\xB0\xD1\x8E\xD1\x89\xD0\xB8\xD0\xB9\";tag=_token~1'+`*%!-.",
      'Call-ID: intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{',
      "CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~",
      'Max-Forwards: 255',
      "extensionHeader-!.%*+_`'~:\xEF\xBB\xBF\xE5\xA4\xA7\xE5\x81\x9C\xE9\x9B\xBB",
      'Content-Length: 0',
    ],
    look: (message) => [message.kind === 'request' && message.to.uri.kind, message.maxForwards],
    sees: ['sip', 255],
  },
  {
    section: '3.1.1.3',
    name: 'valid use of the % escaping mechanism',
    lines: [
      'INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0',
      'To: sip:%75se%72@example.com',
      'From: <sip:I%20have%20spaces@example.net>;tag=938',
      'Max-Forwards: 87',
      'i: esc01.239409asdfakjkn23onasd0-3234',
      'CSeq: 234234 INVITE',
      'Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw',
      'C: application/sdp',
      'Contact: <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>',
      'Content-Length: 0',
    ],
    look: (message) => [message.headers.get('content-type'), message.to.uriText],
    sees: ['application/sdp', 'sip:%75se%72@example.com'],
  },
  {
    section: '3.1.1.4',
    name: 'escaped nulls in URIs',
    lines: [
      'REGISTER sip:example.com SIP/2.0',
      'To: sip:null-%00-null@example.com',
      'From: sip:null-%00-null@example.com;tag=839923423',
      'Max-Forwards: 70',
      'Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd',
      'CSeq: 14398234 REGISTER',
      'Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw',
      'Contact: <sip:%00@host5.example.net>',
      'Contact: <sip:%00%00@host5.example.net>',
      'L:0',
    ],
    look: (message) => message.contacts.length,
    sees: 2,
  },
  {
    section: '3.1.1.5',
    name: 'use of % when it is not an escape',
    lines: [
      'RE%47IST%45R sip:registrar.example.com SIP/2.0',
      'To: "%Z%45" <sip:resource@example.com>',
      'From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23',
      'Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf',
      'Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234',
      'CSeq: 29344 RE%47IST%45R',
      'Max-Forwards: 70',
      'Contact: <sip:alias1@host1.example.com>',
      'C%6Fntact: <sip:alias2@host2.example.com>',
      'Contact: <sip:alias3@host3.example.com>',
      'l: 0',
    ],
    look: (message) => [message.cseq.method, message.contacts.length, message.headers.has('c%6fntact')],
    sees: ['RE%47IST%45R', 2, true],
  },
  {
    section: '3.1.1.6',
    name: 'message with no LWS between display name and <',
    lines: [
      'OPTIONS sip:user@example.com SIP/2.0',
      'To: sip:user@example.com',
      'From: caller<sip:caller@example.com>;tag=323',
      'Max-Forwards: 70',
      'Call-ID: lwsdisp.1234abcd@funky.example.com',
      'CSeq: 60 OPTIONS',
      'Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw',
      'l: 0',
    ],
    look: (message) => [message.from.display, message.from.uriText],
    sees: ['caller', 'sip:caller@example.com'],
  },
  {
    section: '3.1.1.7',
    name: 'long values in header fields',
    lines: [
      'INVITE sip:user@example.com SIP/2.0',
      `To: "I have a user name of ${'extreme '.repeat(10)}proportion" <sip:user@example.com:6000;unknownparam1=very${'long'.repeat(20)}value;${'longparam'.repeat(25)}name=shortvalue;very${'long'.repeat(25)}ParameterNameWithNoValue>`,
      `F: sip:${'amazinglylongcallername'.repeat(5)}@example.net;tag=12${'982424'.repeat(40)}424;unknownheaderparam${'name'.repeat(20)}=unknowheaderparam${'value'.repeat(15)};unknownValueless${'paramname'.repeat(10)}`,
      `Call-ID: longreq.one${'really'.repeat(20)}longcallid`,
      'CSeq: 3882340 INVITE',
      `Unknown-${'Long'.repeat(20)}-Name: unknown-${'long'.repeat(20)}-value; unknown-${'long'.repeat(20)}-parameter-name = unknown-${'long'.repeat(20)}-parameter-value`,
      'Via: SIP/2.0/TCP sip33.example.com',
      'v: SIP/2.0/TCP sip32.example.com',
      'Max-Forwards: 70',
      ...Array.from(
        { length: 27 },
        (_, index) =>
          `${index % 2 === 0 ? 'V' : 'Via'}: SIP/2.0/TCP sip${31 - index}.example.com;branch=z9hG4bK${'very'.repeat(15)}longbranchvalue`,
      ),
      `Contact: <sip:${'amazinglylongcallername'.repeat(5)}@host5.example.net>`,
      'Content-Type: application/sdp',
      'l: 0',
    ],
    look: (message) => [message.vias.length, (message.from.tag?.length ?? 0) > 240],
    sees: [29, true],
  },
  {
    section: '3.1.1.8',
    name: 'extra trailing octets in a UDP datagram are discarded',
    lines: [
      'REGISTER sip:example.com SIP/2.0',
      'To: sip:j.user@example.com',
      'From: sip:j.user@example.com;tag=43251j3j324',
      'Max-Forwards: 8',
      'I: dblreq.0ha0isndaksdj99sdfafnl3lk233412',
      'Contact: sip:j.user@host.example.com',
      'CSeq: 8 REGISTER',
      'Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492',
      'Content-Length: 0',
    ],
    body: 'INVITE sip:joe@example.com SIP/2.0\r\nt: sip:joe@example.com\r\n',
    look: (message) => message.body.length,
    sees: 0,
  },
  {
    section: '3.1.1.9',
    name: 'semicolon-separated parameters in URI user part',
    lines: [
      'OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0',
      'To: sip:j_user@example.com',
      'From: sip:caller@example.org;tag=33242',
      'Max-Forwards: 3',
      'Call-ID: semiuri.0ha0isndaksdj',
      'CSeq: 8 OPTIONS',
      'Accept: application/sdp, application/pkcs7-mime,',
      '        multipart/mixed, multipart/signed,',
      '        message/sip, message/sipfrag',
      'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw',
      'l: 0',
    ],
    look: (message) => [
      message.kind === 'request' && message.uri.kind === 'sip' && message.uri.user,
      message.headers.getAll('accept').length,
    ],
    sees: ['user;par=u%40example.net', 6],
  },
  {
    section: '3.1.1.10',
    name: 'varied and unknown transport types',
    lines: [
      'OPTIONS sip:user@example.com SIP/2.0',
      'To: sip:user@example.com',
      'From: <sip:caller@example.com>;tag=323',
      'Max-Forwards: 70',
      'Call-ID: transports.kijh4akdnaqjkwendsasfdj',
      'Accept: application/sdp',
      'CSeq: 60 OPTIONS',
      'Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw',
      'Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf',
      'Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj',
      'Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en',
      'Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee',
      'l: 0',
    ],
    look: (message) => message.vias.map((via) => via.transport).join(' '),
    sees: 'UDP SCTP TLS UNKNOWN TCP',
  },
  {
    section: '3.1.1.11',
    name: 'multipart MIME message with binary parts keeps its bytes',
    lines: [
      'MESSAGE sip:kumiko@example.org SIP/2.0',
      ...BASE,
      'CSeq: 1 MESSAGE',
      'Content-Type: multipart/mixed;boundary=7a9cbec02ceef655',
      'Content-Length: 12',
    ],
    body: '--7a\0\r\n\xFF\n\r\n\r',
    look: (message) => message.body.toString('latin1'),
    sees: '--7a\0\r\n\xFF\n\r\n\r',
  },
  {
    section: '3.1.1.12',
    name: 'unusual reason phrase',
    lines: [
      'SIP/2.0 200 = 2**3 * 5**2 \xD0\xBD\xD0\xBE \xD1\x81\xD1\x82\xD0\xBE',
      ...BASE,
      'CSeq: 35 INVITE',
      'Content-Length: 0',
    ],
    look: (message) => message.kind === 'response' && Buffer.from(message.reason, 'latin1').toString('utf8'),
    sees: '= 2**3 * 5**2 но сто',
  },
  {
    section: '3.1.1.13',
    name: 'empty reason phrase',
    lines: ['SIP/2.0 100 ', ...BASE, 'CSeq: 35 INVITE', 'Content-Length: 0'],
    look: (message) => message.kind === 'response' && [message.status, message.reason],
    sees: [100, ''],
  },
];

const INVALID: readonly Row[] = [
  {
    section: '3.1.2.1',
    name: 'extraneous header field separators',
    lines: [
      'INVITE sip:user@example.com SIP/2.0',
      'To: sip:j.user@example.com',
      'From: sip:caller@example.net;tag=134161461246',
      'Max-Forwards: 7',
      'Call-ID: badinv01.0ha0isndaksdjasdf3234nas',
      'CSeq: 8 INVITE',
      'Via: SIP/2.0/UDP 192.0.2.15;;,;,,',
      'Contact: "Joe" <sip:joe@example.org>;;;;',
      'Content-Length: 0',
    ],
    status: 400,
  },
  {
    section: '3.1.2.2',
    name: 'Content-Length larger than message',
    lines: ['INVITE sip:user@example.com SIP/2.0', ...BASE, 'CSeq: 8 INVITE', 'Content-Length: 9999'],
    body: SDP,
    status: 400,
  },
  {
    section: '3.1.2.3',
    name: 'negative Content-Length',
    lines: ['INVITE sip:user@example.com SIP/2.0', ...BASE, 'CSeq: 8 INVITE', 'Content-Length: -999'],
    status: 400,
  },
  {
    section: '3.1.2.4',
    name: 'request scalar fields with overlarge values',
    lines: [
      'REGISTER sip:example.com SIP/2.0',
      'Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bK342sdfoi3',
      'To: <sip:user@example.com>',
      'From: <sip:user@example.com>;tag=239232jh3',
      'CSeq: 36893488147419103232 REGISTER',
      'Call-ID: scalar02.23o0pd9vanlq3wnrlnewofjas9ui32',
      'Max-Forwards: 300',
      'Expires: 10000000000000000000000000',
      'Content-Length: 0',
    ],
    status: 400,
  },
  {
    section: '3.1.2.5',
    name: 'response scalar fields with overlarge values',
    lines: [
      'SIP/2.0 503 Service Unavailable',
      ...BASE,
      'CSeq: 9292394834772304023312 OPTIONS',
      'Warning: 1812 overture "In Progress"',
      'Content-Length: 0',
    ],
    status: 400,
  },
  {
    section: '3.1.2.6',
    name: 'unterminated quoted string in display name',
    lines: [
      'INVITE sip:user@example.com SIP/2.0',
      'To: "Mr. J. User <sip:j.user@example.com>',
      'From: sip:caller@example.net;tag=93334',
      'Max-Forwards: 10',
      'Call-ID: quotbal.aksdj',
      'CSeq: 8 INVITE',
      VIA,
      'Content-Length: 0',
    ],
    status: 400,
  },
  {
    section: '3.1.2.7',
    name: '<> enclosing Request-URI',
    lines: ['INVITE <sip:user@example.com> SIP/2.0', ...BASE, 'CSeq: 1 INVITE', 'Content-Length: 0'],
    status: 400,
  },
  {
    section: '3.1.2.8',
    name: 'malformed SIP Request-URI (embedded LWS)',
    lines: ['INVITE sip:user@example.com; lr SIP/2.0', ...BASE, 'CSeq: 1 INVITE', 'Content-Length: 0'],
    status: 400,
  },
  {
    section: '3.1.2.9',
    name: 'multiple SP separating Request-Line elements',
    lines: ['INVITE  sip:user@example.com  SIP/2.0', ...BASE, 'CSeq: 1 INVITE', 'Content-Length: 0'],
    status: 400,
  },
  {
    section: '3.1.2.10',
    name: 'SP characters at end of Request-Line',
    lines: [
      'OPTIONS sip:remote-target@example.com SIP/2.0  ',
      ...BASE,
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
    ],
    status: 400,
  },
  {
    section: '3.1.2.11',
    name: 'escaped headers in SIP Request-URI',
    lines: [
      'INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0',
      ...BASE,
      'CSeq: 1 INVITE',
      'Content-Length: 0',
    ],
    status: 400,
  },
  {
    section: '3.1.2.14',
    name: 'spaces within addr-spec (we refuse, the RFC lets one be liberal)',
    lines: [
      'OPTIONS sip:user@example.org SIP/2.0',
      VIA,
      'Max-Forwards: 70',
      'From: <sip:a@example.org>;tag=1',
      'To: "Watson, Thomas" < sip:t.watson@example.org >',
      'Call-ID: badaspec',
      'CSeq: 3923 OPTIONS',
      'l: 0',
    ],
    look: (message) => message.to.uri,
    status: 400,
  },
  {
    section: '3.1.2.15',
    name: 'non-token characters in display name',
    lines: [
      'OPTIONS sip:t.watson@example.org SIP/2.0',
      VIA,
      'Max-Forwards: 15',
      'From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43',
      'To: Watson, Thomas <sip:t.watson@example.org>',
      'Call-ID: baddn',
      'CSeq: 3923 OPTIONS',
      'l: 0',
    ],
    status: 400,
  },
  {
    section: '3.1.2.16',
    name: 'unknown protocol version',
    lines: ['OPTIONS sip:t.watson@example.org SIP/7.0', ...BASE, 'CSeq: 1 OPTIONS', 'l: 0'],
    status: 505,
  },
  {
    section: '3.1.2.17',
    name: 'start line and CSeq method mismatch',
    lines: ['OPTIONS sip:user@example.com SIP/2.0', ...BASE, 'CSeq: 8 INVITE', 'l: 0'],
    status: 400,
  },
  {
    section: '3.1.2.18',
    name: 'unknown method with CSeq method mismatch',
    lines: ['NEWMETHOD sip:user@example.com SIP/2.0', ...BASE, 'CSeq: 8 INVITE', 'l: 0'],
    status: 400,
  },
  {
    section: '3.1.2.19',
    name: 'overlarge response code',
    lines: [
      'SIP/2.0 4294967301 better not break the receiver',
      ...BASE,
      'CSeq: 353494 INVITE',
      'Content-Length: 0',
    ],
    status: 400,
  },
  {
    section: '3.3.1',
    name: 'missing required header fields',
    lines: [
      'INVITE sip:user@example.com SIP/2.0',
      'CSeq: 193942 INVITE',
      VIA,
      'Content-Type: application/sdp',
      'l: 0',
    ],
    status: 400,
  },
  {
    section: '3.3.8',
    name: 'multiple values in single value required fields',
    lines: [
      'INVITE sip:user@company.com SIP/2.0',
      'Contact: <sip:caller@host25.example.net>',
      'Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw',
      'Max-Forwards: 70',
      'CSeq: 5 INVITE',
      'Call-ID: multi01.98asdh@192.0.2.1',
      'CSeq: 59 INVITE',
      'Call-ID: multi01.98asdh@192.0.2.2',
      'From: sip:caller@example.com;tag=3413415',
      'To: sip:user@example.com',
      'To: sip:other@example.net',
      'From: sip:caller@example.net;tag=2923420123',
      'Content-Type: application/sdp',
      'l: 0',
    ],
    status: 400,
  },
  {
    section: '3.3.9',
    name: 'multiple Content-Length values',
    lines: [
      'OPTIONS sip:user@example.com SIP/2.0',
      ...BASE,
      'CSeq: 5 OPTIONS',
      'Content-Length: 13',
      'Content-Length: 5',
    ],
    body: 'There is no way to know.',
    status: 400,
  },
];

const ABOVE: readonly Row[] = [
  {
    section: '3.3.2',
    name: 'Request-URI with unknown scheme parses; 416 is for the element',
    lines: [
      'OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0',
      ...BASE,
      'CSeq: 3923423 OPTIONS',
      'Content-Length: 0',
    ],
    look: (message) => message.kind === 'request' && message.uri,
    sees: { kind: 'other', scheme: 'nobodyknowsthisscheme', opaque: 'totallyopaquecontent' },
  },
  {
    section: '3.3.3',
    name: 'Request-URI with known but atypical scheme',
    lines: [
      'OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0',
      ...BASE,
      'CSeq: 39234321 OPTIONS',
      'Content-Length: 0',
    ],
    look: (message) => message.kind === 'request' && message.uri.scheme,
    sees: 'soap.beep',
  },
  {
    section: '3.3.4',
    name: 'unknown URI schemes in header fields',
    lines: [
      'REGISTER sip:example.com SIP/2.0',
      VIA,
      'Max-Forwards: 70',
      'To: isbn:2983792873',
      'From: <http://www.example.com>;tag=3234233',
      'Call-ID: unksm2',
      'CSeq: 234902 REGISTER',
      'Contact: <name:John_Smith>',
      'l: 0',
    ],
    look: (message) => message.to.uri.scheme,
    sees: 'isbn',
  },
  {
    section: '3.3.11',
    name: 'zero Max-Forwards',
    lines: [
      'OPTIONS sip:user@example.com SIP/2.0',
      VIA,
      'From: <sip:a@b>;tag=1',
      'To: <sip:c@d>',
      'Call-ID: zeromf',
      'CSeq: 39234321 OPTIONS',
      'Max-Forwards: 0',
      'l: 0',
    ],
    look: (message) => message.maxForwards,
    sees: 0,
  },
  {
    section: '3.3.12',
    name: 'REGISTER with a contact header parameter',
    lines: [
      'REGISTER sip:example.com SIP/2.0',
      ...BASE,
      'CSeq: 9 REGISTER',
      'Contact: sip:+19725552222@gw1.example.net;unknownparam',
      'l: 0',
    ],
    look: (message) =>
      message.contacts !== '*' && [message.contacts[0]?.uriText, message.contacts[0]?.params.length],
    sees: ['sip:+19725552222@gw1.example.net', 1],
  },
  {
    section: '3.3.13',
    name: 'REGISTER with a url parameter',
    lines: [
      'REGISTER sip:example.com SIP/2.0',
      ...BASE,
      'CSeq: 9 REGISTER',
      'Contact: <sip:+19725552222@gw1.example.net;unknownparam>',
      'l: 0',
    ],
    look: (message) => message.contacts !== '*' && message.contacts[0]?.params.length,
    sees: 0,
  },
  {
    section: '3.1.2.12',
    name: 'invalid time zone in Date is not looked at',
    lines: [
      'INVITE sip:user@example.com SIP/2.0',
      ...BASE,
      'CSeq: 1 INVITE',
      'Date: Fri, 01 Jan 2010 16:00:00 EST',
      'l: 0',
    ],
    look: (message) => message.headers.get('date'),
    sees: 'Fri, 01 Jan 2010 16:00:00 EST',
  },
  {
    section: '3.1.2.13',
    name: 'failure to enclose name-addr URI in <> is refused when Contact is read',
    lines: [
      'REGISTER sip:example.com SIP/2.0',
      ...BASE,
      'CSeq: 9 REGISTER',
      'Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E',
      'l: 0',
    ],
    look: (message) => message.contacts,
    status: 400,
  },
  {
    section: '3.4.1',
    name: 'INVITE with RFC 2543 syntax parses; transactions refuse it for its branch',
    lines: [
      'INVITE sip:UserB@example.com SIP/2.0',
      'Via: SIP/2.0/UDP iftgw.example.com',
      'From: <sip:+13035551111@ift.client.example.net;user=phone>',
      'Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>',
      'To: sip:+16505552222@ss1.example.net;user=phone',
      'Call-ID: inv2543.1717@ift.client.example.com',
      'CSeq: 56 INVITE',
      'Content-Type: application/sdp',
    ],
    look: (message) => hasMagicCookie(message.topVia),
    sees: false,
  },
];

function bytes({ lines, body = '' }: Row): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
}

function outcome(row: Row): unknown {
  try {
    const message = parseMessage(bytes(row));
    return row.look?.(message);
  } catch (error) {
    if (error instanceof SipParseError) return row.status === undefined ? error : error.status;
    throw error;
  }
}

describe.each([
  ['§3.1.1 valid', VALID],
  ['§3.1.2 and §3.3 refused', INVALID],
  ['what the element above decides', ABOVE],
])('RFC 4475 %s', (_title, rows) => {
  it.each(rows)('$section $name', (row) => {
    expect(outcome(row)).toEqual(row.status ?? row.sees);
  });
});
