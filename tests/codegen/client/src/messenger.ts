/** A messenger's logic over the generated types; what must not compile says so. */
import { type FragmentType, useFragment } from './gql';
import type {
  ChatListQuery,
  ErrorCode,
  EventsSubscription,
  HistoryQueryVariables,
  RenameMutationVariables,
  SendMutationVariables,
  ThingsQuery,
} from './gql/graphql';
import { BUBBLE, PERSON, REFUSAL } from './documents';

type Event = EventsSubscription['events'];

/** One line for each kind of event; a kind that nobody thought of is told by its name. */
export function told(event: Event): string {
  switch (event.__typename) {
    case 'MessageSent':
    case 'MessageEdited':
      return bubble(event.message);
    case 'MessageDeleted':
      return `message ${event.messageSeq} is gone (${event.messageId})`;
    case 'ReactionsChanged':
      return event.message.reactions.map(({ emoji, count }) => `${emoji} ${count}`).join(' ');
    case 'ChatCreated':
    case 'ChatChanged':
      return event.chat?.title ?? 'a direct chat';
    case 'MemberJoined':
    case 'MemberRoleChanged':
      return `${name(event.membership.user)} is ${event.membership.role}`;
    case 'MemberLeft':
      return `${name(event.membership.user)} left`;
    case 'ReceiptsAdvanced':
      return `${event.user.id}: ${Math.max(event.deliveredSeq, event.readSeq)}`;
    case 'SessionStarted':
      return event.session?.deviceName ?? 'a session that is over';
    case 'SessionEnded':
      return event.sessionId;
    case 'ProfileChanged':
      return name(event.user);
    case 'SettingsChanged':
      return event.settings.hides ? 'hidden' : 'to be found';
    case 'FoldersChanged':
      return event.folders.map(({ name, chatIds }) => `${name}: ${chatIds.length}`).join(', ');
    case 'ViewerMembershipChanged':
      return event.chat?.viewerMembership?.archived ? 'in the archive' : 'on the list';
    case 'MemberSilenced':
      return `${name(event.membership.user)}: ${event.membership.silencedUntil ?? 'may write'}`;
    case 'MessageExpired':
      return `message ${event.messageSeq} has expired`;
    case 'MessagePinned':
    case 'MessageUnpinned':
    case 'MessageHidden':
      return event.messageId;
    case 'HistoryCleared':
      return `${event.chatId}: cleared up to ${event.clearedSeq}`;
    case 'PollChanged':
      return event.message.poll?.options.map((each) => each.voteCount).join(':') ?? 'no poll';
    case 'LinkPreviewAdded':
      return event.message.linkPreview?.title ?? 'a page without a title';
    case 'BlocksChanged':
      return `${event.user.id}: ${event.user.viewerBlocks ? 'blocked' : 'not blocked'}`;
    case 'JoinRequestsChanged':
      return event.chatId;
    case 'JoinRequestAnswered':
      return event.approved ? 'let in' : 'not let in';
    case 'ScheduledMessagesChanged':
      return `${event.scheduledMessages.length} for later`;
    case 'DraftChanged':
      return event.draft?.text ?? 'no draft';
    case 'ThreadChanged':
      return event.threadId ?? 'a thread';
    case 'WebhookDisabled':
      return event.webhookId;
    case 'ResyncRequired':
      return event.reason === 'EXPIRED' ? 'fetch afresh' : 'another log';
    case 'CursorAdvanced':
      return event.cursor;
    default:
      return (event satisfies never as Event).__typename;
  }
}

/** A cursor, a moment and an id are strings, and a number is none. */
export function resumed(event: Event): { after: string; at: Date } {
  // @ts-expect-error: not every event has a message
  void event.message;
  // @ts-expect-error: a sequence number may be null
  const seq: number = event.seq;
  void seq;
  return { after: event.cursor, at: new Date(event.occurredAt) };
}

export function bubble(masked: FragmentType<typeof BUBBLE>): string {
  const message = useFragment(BUBBLE, masked);
  if (message.deletedAt != null) return '';
  const sender = message.sender == null ? 'somebody' : name(message.sender);
  return `${sender}: ${message.text}${message.editedAt == null ? '' : ' (edited)'}`;
}

const name = (masked: FragmentType<typeof PERSON>): string => useFragment(PERSON, masked).displayName;

const ADVICE: Partial<Record<ErrorCode, string>> = {
  BAD_CREDENTIALS: 'Check handle and password.',
  CONFLICT: 'Take a new id.',
  FORBIDDEN: 'Ask an admin.',
  HANDLE_TAKEN: 'Choose another handle.',
  INVALID_ID: 'That is a bug.',
  INVALID_INPUT: 'Change what you wrote.',
  NOT_FOUND: 'It is gone.',
  OVERLOADED: 'Try again.',
  TOO_LONG: 'Shorten it.',
  UNAUTHENTICATED: 'Log in.',
};

/** What to say of a refusal; its code decides. A newer server may have codes that nobody knew. */
export function advice(masked: FragmentType<typeof REFUSAL>): string {
  const refusal = useFragment(REFUSAL, masked);
  if (refusal.__typename === 'TooLongError') return `${refusal.actual} of ${refusal.maximum}`;
  // @ts-expect-error: only a text that is too long says how long it is
  void refusal.actual;
  return `${refusal.path.join('.')}: ${ADVICE[refusal.code] ?? refusal.message}`;
}

export function titles(data: ChatListQuery): string[] {
  if (data.viewer == null) return [];
  // @ts-expect-error: a direct chat has no title
  const all: string[] = data.viewer.chats.nodes.map((chat) => chat.title);
  void all;
  return data.viewer.chats.nodes.map(({ kind, title }) => (kind === 'GROUP' ? (title ?? '') : 'direct'));
}

export function found(data: ThingsQuery): string[] {
  return data.nodes.map((thing) => {
    switch (thing?.__typename) {
      case 'User':
        return thing.handle;
      case 'Chat':
        return thing.title ?? '';
      case 'Message':
        return thing.text;
      default:
        return 'not there';
    }
  });
}

export const first: HistoryQueryVariables = { chatId: 'c' };
export const older: HistoryQueryVariables = { chatId: 'c', before: 'cursor' };
export const cleared: RenameMutationVariables = { input: { chatId: 'c', description: null } };
export const sent: SendMutationVariables = {
  input: { chatId: 'c', text: 'Hello', clientMessageId: crypto.randomUUID() },
};
// @ts-expect-error: a message without an id of the client's cannot be sent
export const unsafe: SendMutationVariables = { input: { chatId: 'c', text: 'Hello' } };
