// The part of @xmpp/client, which brings no types, that the tests use.
declare module '@xmpp/client' {
  export interface XmlElement {
    readonly name: string;
    readonly attrs: Record<string, string>;
    is(name: string, namespace?: string): boolean;
    getChild(name: string, namespace?: string): XmlElement | undefined;
    getChildren(name: string, namespace?: string): XmlElement[];
    getChildText(name: string): string | null;
    toString(): string;
  }
  export interface XmppClient {
    on(event: 'stanza' | 'element' | 'nonza', listener: (element: XmlElement) => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    on(event: 'disconnect', listener: () => void): this;
    off(event: string, listener: (...values: never[]) => void): this;
    start(): Promise<{ toString(): string }>;
    stop(): Promise<unknown>;
    send(element: XmlElement): Promise<void>;
    readonly iqCaller: { request(element: XmlElement, timeoutMs?: number): Promise<XmlElement> };
    readonly reconnect: { start(): void; stop(): void; delay: number };
    readonly streamManagement: {
      enabled: boolean;
      on(event: 'resumed', listener: () => void): void;
    };
    readonly socket: { readonly socket: { destroy(): void } | null } | null;
  }
  export interface ClientOptions {
    readonly service: string;
    readonly domain: string;
    readonly username: string;
    readonly password: string;
    readonly resource?: string;
  }
  export function client(options: ClientOptions): XmppClient;
  export function xml(
    name: string,
    attributes?: Record<string, string>,
    ...children: (XmlElement | string)[]
  ): XmlElement;
}
