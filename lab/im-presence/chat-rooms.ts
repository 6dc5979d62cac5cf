// Rooms for group chat (XEP-0045), as much as two people need: enter, see who is there, speak to all, leave. A room is there
// while somebody is in it. Keeps no history and has no owners.
import { Element } from 'ltx';

const NS_MUC_USER = 'http://jabber.org/protocol/muc#user';
/** "This is you", XEP-0045 §7.2.2. */
const SELF = '110';
const MAX_ROOMS = 100;

/** Who may be in a room: a bound session. */
export interface RoomGuest {
  readonly address: string;
  readonly onWrite: (text: string) => void;
}

export class ChatRooms {
  readonly #service: string;
  /** Address of a room → name in the room → who it is. */
  readonly #rooms = new Map<string, Map<string, RoomGuest>>();

  constructor(domain: string) {
    this.#service = `@conference.${domain}`;
  }

  /** Rooms in which somebody is. */
  get size(): number {
    return this.#rooms.size;
  }

  /** True when the stanza was for a room. */
  handle(stanza: Element, guest: RoomGuest): boolean {
    const [room = '', name] = String(stanza.attrs.to ?? '').split('/', 2);
    if (!room.endsWith(this.#service)) return false;
    if (stanza.name === 'message') this.#say(room, stanza, guest);
    else if (stanza.name === 'presence' && stanza.attrs.type === 'unavailable') this.#leave(room, guest);
    else if (stanza.name === 'presence' && name !== undefined) this.#enter(room, name, guest);
    return true;
  }

  /** The guest is gone from every room. */
  leave(guest: RoomGuest): void {
    for (const room of this.#rooms.keys()) this.#leave(room, guest);
  }

  #enter(room: string, name: string, guest: RoomGuest): void {
    const guests = this.#rooms.get(room) ?? new Map<string, RoomGuest>();
    const isRefused = guests.has(name) || (guests.size === 0 && this.#rooms.size >= MAX_ROOMS);
    if (isRefused) return guest.onWrite(`<presence from="${room}" to="${guest.address}" type="error"/>`);
    this.#rooms.set(room, guests);
    for (const other of guests.keys()) guest.onWrite(presence(room, other, guest).toString());
    guests.set(name, guest);
    for (const one of guests.values()) one.onWrite(presence(room, name, one, one === guest).toString());
  }

  #say(room: string, message: Element, guest: RoomGuest): void {
    const guests = this.#rooms.get(room);
    const name = nameOf(guests, guest);
    if (guests === undefined || name === undefined) return;
    for (const one of guests.values()) {
      const copy = new Element('message', { ...message.attrs, from: `${room}/${name}`, to: one.address });
      copy.children = message.children;
      one.onWrite(copy.toString());
    }
  }

  #leave(room: string, guest: RoomGuest): void {
    const guests = this.#rooms.get(room);
    const name = nameOf(guests, guest);
    if (guests === undefined || name === undefined) return;
    for (const one of guests.values()) {
      const gone = presence(room, name, one, one === guest);
      gone.attrs.type = 'unavailable';
      one.onWrite(gone.toString());
    }
    guests.delete(name);
    if (guests.size === 0) this.#rooms.delete(room);
  }
}

function nameOf(guests: ReadonlyMap<string, RoomGuest> | undefined, guest: RoomGuest): string | undefined {
  return [...(guests ?? [])].find(([, one]) => one === guest)?.[0];
}

function presence(room: string, name: string, to: RoomGuest, isSelf = false): Element {
  const element = new Element('presence', { from: `${room}/${name}`, to: to.address });
  const user = element.c('x', { xmlns: NS_MUC_USER });
  user.c('item', { affiliation: 'member', role: 'participant' });
  if (isSelf) user.c('status', { code: SELF });
  return element;
}
