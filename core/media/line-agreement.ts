// What an agreed section makes of its line: keys of both legs, multiplexing, and where the inside wants packets.
import type { CryptoAttribute } from '../../sip/sdp/index.ts';
import { PLAIN, type LegCrypto, type LegKeys } from './leg-keys.ts';
import type { LineAgreement, MediaLine } from './media-line.ts';
import type { Agreed, Plan } from './section-plan.ts';

/** An agreement with keys of ours on both legs. */
export function ownAgreement(
  line: MediaLine,
  fromClient: boolean,
  { section: offered }: Plan,
  verdict: Agreed,
): LineAgreement {
  const { rtp, rtcp, sendOnly } = fromClient ? verdict.section : offered;
  const agree = (keys: LegKeys, attribute: CryptoAttribute | undefined): LegCrypto =>
    attribute === undefined ? PLAIN : keys.agree(attribute);
  return {
    client: agree(line.clientKeys, verdict.client),
    inside: agree(line.insideKeys, verdict.inside),
    // We echo the offerer's a=rtcp-mux, offer it to clients and not inside.
    clientMux: fromClient ? offered.mux : verdict.section.mux,
    insideMux: fromClient ? false : offered.mux,
    rtp,
    rtcp,
    sendOnly,
    clockRate: verdict.section.clockRate,
  };
}

/** An agreement whose keys the two ends hold; the traversal path may stand behind an address that ICE has chosen. */
export function passedAgreement(
  line: MediaLine,
  fromClient: boolean,
  plan: Plan,
  verdict: Agreed,
  checksTags: boolean,
): LineAgreement {
  const [client, inside] = fromClient ? [plan, verdict] : [verdict, plan];
  const anchor = inside.passed?.ice?.anchor;
  const [clientIce, insideIce] = [client.passed?.ice, inside.passed?.ice];
  const mux = plan.section.mux && verdict.section.mux;
  const hear = (keys: LegKeys, attribute: CryptoAttribute | undefined): LegCrypto =>
    attribute === undefined ? PLAIN : keys.hear(attribute);
  return {
    client: hear(line.clientKeys, verdict.client),
    inside: hear(line.insideKeys, verdict.inside),
    clientMux: mux,
    insideMux: mux,
    rtp: anchor ?? inside.section.rtp,
    rtcp: anchor === undefined ? inside.section.rtcp : { ...anchor, port: anchor.port + 1 },
    sendOnly: inside.section.sendOnly,
    clockRate: verdict.section.clockRate,
    passthrough: { ice: clientIce && insideIce && { client: clientIce, inside: insideIce }, checksTags },
  };
}
