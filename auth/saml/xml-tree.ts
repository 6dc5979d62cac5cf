// XML into a tree for SAML messages and metadata (XML 1.0, Namespaces in XML 1.0). Strict: no document type, no processing
// instruction, version 1.0 and UTF-8 only, names always with their namespace. The sender is anybody on the internet, so
// that length, depth, elements and attributes are bounded before anything else looks at the text.
import { SaxesParser } from 'saxes';
import { SamlFault } from './saml-fault.ts';

export interface XmlNode {
  readonly namespace: string;
  readonly name: string;
  /** Attributes without a namespace. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Values of attributes called ID in any case and namespace: whatever some reader may take for an identifier. */
  readonly ids: readonly string[];
  readonly children: XmlNode[];
  /** All character data directly inside, as it stands. */
  text: string;
}

export interface XmlLimits {
  readonly maxLength: number;
  readonly maxDepth: number;
  readonly maxElements: number;
  /** Comments and CDATA sections are read past where allowed, else refused. */
  readonly comments: boolean;
}

const maxAttributes = 32;

/** The root of `text`. @throws SamlFault `form`. */
export function parseTree(text: string, limits: XmlLimits): XmlNode {
  if (text.length > limits.maxLength) throw refused(`is longer than ${limits.maxLength} characters`);
  const parser = new SaxesParser({ xmlns: true });
  const open: XmlNode[] = [];
  let root: XmlNode | undefined;
  let elements = 0;
  parser.on('error', (error) => {
    throw refused(`is not well-formed: ${error.message.slice(0, 120)}`);
  });
  parser.on('doctype', () => {
    throw refused('has a document type');
  });
  parser.on('processinginstruction', () => {
    throw refused('has a processing instruction');
  });
  parser.on('comment', () => {
    if (!limits.comments) throw refused('has a comment');
  });
  parser.on('xmldecl', ({ version, encoding }) => {
    if (version !== '1.0' || !/^utf-8$/i.test(encoding ?? 'utf-8')) throw refused('is not XML 1.0 in UTF-8');
  });
  parser.on('opentag', (tag) => {
    elements += 1;
    const attributes = Object.values(tag.attributes);
    if (open.length >= limits.maxDepth || elements > limits.maxElements || attributes.length > maxAttributes)
      throw refused('is too deep or has too many elements or attributes');
    const node: XmlNode = {
      namespace: tag.uri,
      name: tag.local,
      attributes: new Map(
        attributes.filter(({ uri }) => uri === '').map(({ local, value }) => [local, value]),
      ),
      ids: attributes.filter(({ local }) => /^id$/i.test(local)).map(({ value }) => value),
      children: [],
      text: '',
    };
    open.at(-1)?.children.push(node);
    root ??= node;
    open.push(node);
  });
  const addText = (piece: string): void => {
    const node = open.at(-1);
    if (node !== undefined) node.text += piece;
  };
  parser.on('text', addText);
  parser.on('cdata', (piece) => {
    // In a message it could only hide something from a reader that looks at the text.
    if (!limits.comments) throw refused('has a CDATA section');
    addText(piece);
  });
  parser.on('closetag', () => void open.pop());
  parser.write(text).close();
  if (root === undefined) throw refused('is empty');
  return root;
}

function refused(what: string): SamlFault {
  return new SamlFault('form', `the XML ${what}`);
}

/** The children of that name and namespace. */
export function childrenOf(node: XmlNode, namespace: string, name: string): XmlNode[] {
  return node.children.filter((child) => is(child, namespace, name));
}

/** The only child of that name; undefined when there is none. @throws SamlFault when there are several. */
export function childOf(node: XmlNode, namespace: string, name: string): XmlNode | undefined {
  const found = childrenOf(node, namespace, name);
  if (found.length > 1) throw new SamlFault('form', `${node.name} has more than one ${name}`);
  return found[0];
}

export function is(node: XmlNode, namespace: string, name: string): boolean {
  return node.namespace === namespace && node.name === name;
}

/** Every element below and with `node`, in document order, each with its parent. */
export function* walk(
  node: XmlNode,
  parent?: XmlNode,
): Generator<{ node: XmlNode; parent: XmlNode | undefined }> {
  yield { node, parent };
  for (const child of node.children) yield* walk(child, node);
}
