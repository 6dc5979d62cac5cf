// The messaging part of the road: a client outside and a colleague inside see each other and chat (mra-wire §4.2).
import { Element, parse } from 'ltx';
import { addressPlan } from '../address-plan.ts';
import { type ChatClient, ChatError, connectChat } from '../client/chat-client.ts';
import { SOAP_ACTION } from '../im-presence/soap-login.ts';
import { type Lab } from '../lab.ts';
import { broughtBy, expectThat, type ProofStep } from '../proof.ts';
import { needs, type Person, requestTimeoutMs, type Road } from './road-state.ts';

const NS_SOAP = 'http://schemas.xmlsoap.org/soap/envelope/';

/** From sign-in to sign-out. */
export function chatSteps(road: Road, lab: Lab, alice: Person, bob: Person): ProofStep[] {
  return [
    {
      title: 'the chat client outside signs in to messaging through edge and core',
      run: () => signInOutside(road, lab, alice),
    },
    {
      title: 'signing in as one to act as another is refused',
      run: () => actAsAnother(road, lab, alice, bob),
    },
    { title: 'a colleague signs in inside: each sees the other', run: () => signInInside(road, lab, bob) },
    { title: 'a chat message goes in, its answer comes out', run: () => chat(road, alice, bob) },
    { title: 'both enter a room: what one says, both read', run: () => meet(road) },
    { title: 'the client signs out: the colleague sees it', run: () => signOut(road, alice) },
    {
      title: 'a client with nothing but an access token signs in to messaging; a changed token is refused',
      run: () => signInByToken(road, lab, alice),
    },
    {
      title:
        'a client that knows SOAP gets a one-time password through edge and core, and signs in with it once',
      run: () => signInByOneTimePassword(road, lab, alice),
    },
  ];
}

const addressOf = ({ user }: Person): string => `${user.id}@${addressPlan.domain}`;

function outside(road: Road, lab: Lab, { user }: Person): Parameters<typeof connectChat>[0] {
  const edge = broughtBy(needs.edge, road.edge);
  const [told] = broughtBy(needs.signIn, road.config).xmpp;
  if (told === undefined) throw new Error('get_edge_config names no messaging door');
  return {
    host: edge.address,
    port: told.tlsPort,
    localAddress: addressPlan.client.address,
    domain: addressPlan.domain,
    serverName: told.address,
    authority: lab.files.publicAuthority,
    user: user.id,
    password: user.password,
    timeoutMs: requestTimeoutMs,
  };
}

async function signInOutside(road: Road, lab: Lab, alice: Person): Promise<string> {
  const options = outside(road, lab, alice);
  road.chatOutside = await connectChat(options);
  return `${addressOf(alice)} at ${options.serverName}:${options.port}`;
}

async function actAsAnother(road: Road, lab: Lab, alice: Person, bob: Person): Promise<string> {
  const options = { ...outside(road, lab, alice), authorizeAs: addressOf(bob) };
  await expectRefused(options, 'invalid-authzid');
  return 'invalid-authzid';
}

async function signInInside(road: Road, lab: Lab, { user }: Person): Promise<string> {
  const atAlice = broughtBy(needs.chat, road.chatOutside);
  const { imPresence, deskPhone, domain } = addressPlan;
  const atBob = await connectChat({
    host: imPresence.address,
    port: imPresence.xmpp,
    localAddress: deskPhone.address,
    domain,
    serverName: imPresence.name,
    authority: lab.files.insideAuthority,
    user: user.id,
    password: user.password,
    timeoutMs: requestTimeoutMs,
  });
  road.chatInside = atBob;
  atAlice.send(new Element('presence'));
  atBob.send(new Element('presence'));
  await Promise.all([heard(atAlice, 'presence'), heard(atBob, 'presence')]);
  return 'presence both ways';
}

async function chat(road: Road, alice: Person, bob: Person): Promise<string> {
  const atAlice = broughtBy(needs.chat, road.chatOutside);
  const atBob = broughtBy(needs.chat, road.chatInside);
  const say = (text: string, to: Person): Element =>
    new Element('message', { to: addressOf(to), type: 'chat' }).c('body').t(text).root();
  atAlice.send(say('Lunch at <noon> & dessert?', bob));
  const asked = (await heard(atBob, 'message')).getChildText('body');
  expectThat(asked === 'Lunch at <noon> & dessert?', `inside read ${asked}`);
  atBob.send(say('Oui, à midi 🍰', alice));
  const answered = (await heard(atAlice, 'message')).getChildText('body');
  expectThat(answered === 'Oui, à midi 🍰', `outside read ${answered}`);
  return `"${asked}" "${answered}"`;
}

async function meet(road: Road): Promise<string> {
  const people = [broughtBy(needs.chat, road.chatOutside), broughtBy(needs.chat, road.chatInside)];
  const room = `lunch@conference.${addressPlan.domain}`;
  for (const [at, client] of people.entries()) {
    const enter = new Element('presence', { to: `${room}/guest${at}` });
    client.send(enter.c('x', { xmlns: 'http://jabber.org/protocol/muc' }).root());
    await client.next('its own entry', ({ attrs }) => attrs.from === `${room}/guest${at}`);
  }
  const words = new Element('message', { to: room, type: 'groupchat' }).c('body').t('At noon then').root();
  broughtBy(needs.chat, road.chatInside).send(words);
  for (const client of people) {
    const read = await client.next(
      'a word in the room',
      ({ attrs }) => attrs.from === `${room}/guest1` && attrs.type === 'groupchat',
    );
    expectThat(read.getChildText('body') === 'At noon then', `read ${read.toString()}`);
  }
  return room;
}

const bearer = (token: string): string => `n,,\u0001auth=Bearer ${token}\u0001\u0001`;

async function signInByToken(road: Road, lab: Lab, alice: Person): Promise<string> {
  const token = broughtBy(needs.token, road.token);
  const options = { ...outside(road, lab, alice), password: '' };
  for (const proof of [
    { mechanism: 'OAUTHBEARER', message: bearer(token) },
    { mechanism: 'X-OAUTH2', message: `\0${addressOf(alice)}\0${token}` },
  ])
    (await connectChat({ ...options, proof })).close();
  const changed = { mechanism: 'OAUTHBEARER', message: bearer(`${token.slice(0, -8)}AAAAAAAA`) };
  await expectRefused({ ...options, proof: changed }, 'not-authorized');
  return 'OAUTHBEARER, X-OAUTH2; checked by core';
}

/** mra-wire §4.3: SOAP login, one-time password, CISCO-VTG-TOKEN. */
async function signInByOneTimePassword(road: Road, lab: Lab, alice: Person): Promise<string> {
  const requests = broughtBy(needs.edge, road.requests);
  const [host] = broughtBy(needs.signIn, road.config).services.get('_cuplogin') ?? [];
  if (host === undefined) throw new Error('get_edge_config names no server for _cuplogin');
  const ask = async (
    action: string,
    fields: Readonly<Record<string, string>>,
    want: string,
  ): Promise<string> => {
    const envelope = new Element('s:Envelope', { 'xmlns:s': NS_SOAP });
    const asked = envelope.c('s:Body').c(action);
    for (const [name, value] of Object.entries(fields)) asked.c(name).t(value);
    const answer = await requests.callThroughLane(
      { protocol: 'https', host: host.address, port: addressPlan.imPresence.soap },
      'EPASSoap/service/v80',
      SOAP_ACTION + action,
      envelope.toString(),
    );
    expectThat(answer.status === 200, `${action} was answered ${answer.status}`);
    return (
      parse(answer.body.toString()).getChild('Body', NS_SOAP)?.getChildElements()[0]?.getChildText(want) ?? ''
    );
  };
  const token = broughtBy(needs.token, road.token);
  const key = await ask('login', { user: alice.user.id, token }, 'session-key');
  const password = await ask('get-onetime-password', { 'session-key': key }, 'password');
  const message = `userid=${addressOf(alice)}\0token=${password}`;
  const options = { ...outside(road, lab, alice), proof: { mechanism: 'CISCO-VTG-TOKEN', message } };
  (await connectChat(options)).close();
  await expectRefused(options, 'not-authorized');
  return `${host.address}, EPASSoap, CISCO-VTG-TOKEN`;
}

async function expectRefused(options: Parameters<typeof connectChat>[0], condition: string): Promise<void> {
  const refused = await connectChat(options).then(
    (client) => client.close(),
    (error: unknown) => error,
  );
  expectThat(
    refused instanceof ChatError && refused.condition === condition,
    `not refused: ${String(refused)}`,
  );
}

async function signOut(road: Road, alice: Person): Promise<string> {
  const atBob = broughtBy(needs.chat, road.chatInside);
  broughtBy(needs.chat, road.chatOutside).close();
  const seen = await atBob.next(
    'the end of presence',
    ({ attrs }) => attrs.type === 'unavailable' && String(attrs.from).startsWith(addressOf(alice)),
  );
  atBob.close();
  return `${String(seen.attrs.from)} is unavailable`;
}

function heard(client: ChatClient, name: string): Promise<Element> {
  return client.next(`a ${name}`, (element) => element.name === name);
}
