// The messaging part of the road: a client outside and a colleague inside see each other and chat (mra-wire §4.2).
import { Element } from 'ltx';
import { addressPlan } from '../address-plan.ts';
import { type ChatClient, ChatError, connectChat } from '../client/chat-client.ts';
import { type Lab } from '../lab.ts';
import { broughtBy, expectThat, type ProofStep } from '../proof.ts';
import { needs, type Person, requestTimeoutMs, type Road } from './road-state.ts';

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
    { title: 'the client signs out: the colleague sees it', run: () => signOut(road) },
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
  const refused = await connectChat(options).then(
    (client) => client.close(),
    (error: unknown) => error,
  );
  expectThat(
    refused instanceof ChatError && refused.condition === 'invalid-authzid',
    `not refused: ${String(refused)}`,
  );
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

async function signOut(road: Road): Promise<string> {
  const atBob = broughtBy(needs.chat, road.chatInside);
  broughtBy(needs.chat, road.chatOutside).close();
  const seen = await atBob.next('the end of presence', ({ attrs }) => attrs.type === 'unavailable');
  atBob.close();
  return `${String(seen.attrs.from)} is unavailable`;
}

function heard(client: ChatClient, name: string): Promise<Element> {
  return client.next(`a ${name}`, (element) => element.name === name);
}
