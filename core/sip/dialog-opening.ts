// A request that begins a dialog: its place in the table (RFC 3261 §12.1), its user's limits, and for a call the media
// session that its descriptions will meet.
import { CallMedia } from './call-media.ts';
import type { BindingTable } from './binding-table.ts';
import type { Dialog, DialogTable } from './dialog-table.ts';
import type { EdgeIdentity } from './edge-identity.ts';
import { callerLeg } from './leg-notes.ts';
import type { MediaAnchor } from './media-anchor.ts';
import type { NodeDirectory } from './node-directory.ts';
import type { Outgoing } from './outgoing.ts';
import type { RecordLines } from './record-lines.ts';
import { refuse, type Refusal } from './verdict.ts';

export interface DialogOpening {
  readonly bindings: BindingTable;
  readonly dialogs: DialogTable;
  readonly directory: NodeDirectory;
  readonly media: MediaAnchor;
  readonly lines: RecordLines;
  /** Whether the zone of an edge lets keys and candidates of a call go on as they came. */
  readonly passesIce: (edge: EdgeIdentity) => boolean;
  readonly nowMs: () => number;
}

/** Opens an early dialog for a request that core sends on, or says which limit forbids it. */
export function openDialog(
  outgoing: Outgoing,
  proxyCallId: string,
  options: DialogOpening,
): Dialog | Refusal {
  const { request, owner, edge, from } = outgoing;
  const kind = request.method === 'INVITE' ? 'call' : 'usage';
  const [target] = outgoing.targets;
  const dialog = options.dialogs.open(
    {
      proxyCallId,
      kind,
      aor: owner.aor,
      bindingId: owner.bindingId,
      instance: options.bindings.byId(owner.bindingId)?.instance ?? '',
      callId: request.callId,
      callerTag: request.from.tag ?? '',
      isClientCaller: from === 'client',
      nodeZone: target?.kind === 'node' ? target.node.zone : outgoing.nodeZone,
      edge,
      flow: owner.flow,
      caller: callerLeg(request, from === 'inside'),
    },
    options.nowMs(),
  );
  if (dialog === 'user-call-limit') return refuse(486, dialog);
  if (typeof dialog === 'string') return { ...refuse(503, dialog), retryAfterSeconds: 5 };
  if (kind === 'call') {
    const call = { callId: request.callId, key: owner.aor, mayPassIce: mayPassIce(outgoing, options) };
    dialog.media = new CallMedia(options.media, call, edge);
    options.lines.callBegun(dialog, request);
  }
  return dialog;
}

/** Every way that the call may take inside is sealed and lets ICE pass, and so does the zone of its edge. */
function mayPassIce(
  { from, targets, edge, nodeZone, cameFrom }: Outgoing,
  { directory, passesIce }: DialogOpening,
): boolean {
  if (!passesIce(edge)) return false;
  if (from === 'inside')
    return cameFrom.transport === 'tls' && directory.byZone(nodeZone)?.passesIce === true;
  return targets.every((target) => target.kind === 'node' && target.node.passesIce === true);
}
