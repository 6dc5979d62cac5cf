// Why a server inside could not be asked, in words: what is wrong, with which node, and for certificates exactly what
// was wanted and what was there. Texts are for log and status pages; clients never see them.

/** The error of a connection attempt as a sentence that begins with the node. */
export function failureText(error: unknown, name: string, port: number): string {
  const where = `${name}:${port}`;
  const code = codeOf(error);
  const known = code === undefined ? undefined : sentences[code];
  if (known !== undefined) return `${where} ${known}`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `${where} has a certificate for another name: ${nameDetail(error)}`;
  const message = error instanceof Error ? error.message : String(error);
  return `${where} failed: ${message.slice(0, 200)}`;
}

const sentences: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections: is the service running and the port right?',
  ECONNRESET: 'closed the connection',
  EPIPE: 'closed the connection',
  ETIMEDOUT: 'does not answer: a firewall may drop packets between core and it',
  EHOSTUNREACH: 'cannot be reached: no route',
  ENETUNREACH: 'cannot be reached: no route',
  ENOTFOUND: 'is not in DNS',
  EAI_AGAIN: 'could not be looked up: DNS does not answer',
  ENODATA: 'has no address in DNS',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'shows a self-signed certificate that is not in the cluster’s authority file',
  SELF_SIGNED_CERT_IN_CHAIN:
    'has a certificate from an authority that is not in the cluster’s authority file',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'has a certificate from an authority that is not in the cluster’s authority file',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'does not send its whole chain, or its authority is not in the authority file',
  CERT_HAS_EXPIRED: 'has a certificate that has expired',
  CERT_NOT_YET_VALID: 'has a certificate that is not valid yet: compare the clocks',
  ERR_SSL_WRONG_VERSION_NUMBER: 'does not speak TLS on this port',
  EPROTO: 'failed the TLS handshake',
};

function codeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    const code = (at as NodeJS.ErrnoException).code;
    if (typeof code === 'string') return code;
  }
  return undefined;
}

function nameDetail(error: unknown): string {
  let at: unknown = error;
  while (at instanceof Error && !('reason' in at) && at.cause !== undefined) at = at.cause;
  const reason = at instanceof Error && 'reason' in at ? String(at.reason) : 'no name matches';
  return reason.slice(0, 300);
}
