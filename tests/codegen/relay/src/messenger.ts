/** A messenger's logic over Relay's types; what must not compile says so. */
import type { documents_chats$data } from './__generated__/documents_chats.graphql';
import type { documents_history$data } from './__generated__/documents_history.graphql';
import type { documents_refusals$data } from './__generated__/documents_refusals.graphql';
import type { documentsEventsSubscription$data } from './__generated__/documentsEventsSubscription.graphql';
import type { documentsOlderMessagesQuery$variables } from './__generated__/documentsOlderMessagesQuery.graphql';
import type {
  documentsSendMutation$rawResponse,
  documentsSendMutation$variables,
} from './__generated__/documentsSendMutation.graphql';

type Event = documentsEventsSubscription$data['events'];

/** One line for the kinds of events that the screen shows; Relay tells them apart by an alias each. */
export function told({ sent, deleted, reacted, joined, read, resync }: Event): string | null {
  if (sent) return `${sent.message.seq} ${sent.message.id}`;
  if (deleted) return `${deleted.messageSeq} ${deleted.messageId}`;
  if (reacted) return reacted.message.reactions.map(({ emoji, count }) => `${emoji} ${count}`).join(' ');
  if (joined) return `${joined.membership.user.handle} is ${joined.membership.role}`;
  if (read) return `${read.user.id}: ${Math.max(read.deliveredSeq, read.readSeq)}`;
  // @ts-expect-error: not every event asks to fetch afresh
  void resync.reason;
  return resync?.reason === 'EXPIRED' ? 'fetch afresh' : null;
}

export function resumed(event: Event): string {
  return `${event.cursor} of ${new Date(event.occurredAt).toISOString()}`;
}

export const advice = (refusals: documents_refusals$data): string[] =>
  refusals.map(({ code, path, tooLong }) =>
    tooLong ? `${tooLong.actual} of ${tooLong.maximum}` : `${path.join('.')}: ${code}`,
  );

export const shown = (viewer: documents_chats$data): string[] => viewer.chats.edges.map(({ node }) => node.id);
export const placed = (chat: documents_history$data): string => chat.messages.__id;

export const older: documentsOlderMessagesQuery$variables = { id: 'c', count: 20, cursor: 'cursor' };
export const sent: documentsSendMutation$variables = {
  connections: ['c'],
  input: { chatId: 'c', text: 'Hello', clientMessageId: crypto.randomUUID() },
};
// @ts-expect-error: a message without an id of the client's cannot be sent
export const unsafe: documentsSendMutation$variables = { connections: [], input: { chatId: 'c', text: '' } };

/** What is on the screen before the server has answered. */
export const optimistic: documentsSendMutation$rawResponse = {
  sendMessage: {
    message: {
      id: 'm',
      seq: 1,
      text: 'Hello',
      clientMessageId: 'u',
      createdAt: new Date(0).toISOString(),
      editedAt: null,
      deletedAt: null,
      sender: { id: 'p', handle: 'ana', displayName: 'Ana' },
      replyTo: null,
      reactions: [],
      viewerReactions: [],
    },
    errors: [],
  },
};
