// XML from call control into a small tree. Strict and without a document type: no entities but the five of XML 1.0
// (§4.6), no processing instructions inside. The sender is an authenticated server, but it is not ours: depth, number
// of elements and text are bounded, and names are read without their prefix.
import { SaxesParser } from 'saxes';

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: XmlElement[];
  /** All text directly inside, trimmed. */
  text: string;
}

/** Thrown for text that is not the XML we accept; the message says what is wrong with it, not what it held. */
export class XmlError extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'XmlError';
  }
}

const maxDepth = 16;
const maxElements = 50_000;

/** The root element of `text`. Throws {@link XmlError}. */
export function parseXml(text: string): XmlElement {
  const parser = new SaxesParser({ xmlns: true });
  const open: XmlElement[] = [];
  let root: XmlElement | undefined;
  let elements = 0;
  parser.on('error', (error) => {
    throw new XmlError(`not well-formed: ${error.message.slice(0, 120)}`);
  });
  parser.on('doctype', () => {
    throw new XmlError('has a document type');
  });
  parser.on('opentag', (tag) => {
    elements += 1;
    if (open.length >= maxDepth || elements > maxElements)
      throw new XmlError('too deep or too many elements');
    const attributes: Record<string, string> = Object.create(null) as Record<string, string>;
    for (const attribute of Object.values(tag.attributes)) attributes[attribute.local] = attribute.value;
    const element: XmlElement = { name: tag.local, attributes, children: [], text: '' };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  const addText = (piece: string): void => {
    const element = open.at(-1);
    if (element !== undefined) element.text += piece;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    const element = open.pop();
    if (element !== undefined) element.text = element.text.trim();
  });
  parser.write(text).close();
  if (root === undefined) throw new XmlError('is empty');
  return root;
}

/** The first child of that name. */
export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child) => child.name === name);
}

export function childrenOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((child) => child.name === name);
}
