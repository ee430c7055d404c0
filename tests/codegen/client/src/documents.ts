/** What a messenger asks of the server. */
import { graphql } from './gql';

export const PERSON = graphql(`
  fragment Person on User { id handle displayName }
`);

export const BUBBLE = graphql(`
  fragment Bubble on Message {
    id
    seq
    text
    clientMessageId
    createdAt
    editedAt
    deletedAt
    sender { ...Person }
    replyTo { id text }
    reactions { emoji count }
    viewerReactions
  }
`);

export const REFUSAL = graphql(`
  fragment Refusal on UserError {
    __typename
    code
    message
    path
    ... on TooLongError { actual maximum }
  }
`);

export const LOG_IN = graphql(`
  mutation LogIn($input: LogInInput!) {
    logIn(input: $input) {
      accessToken
      refreshToken
      expiresIn
      session { id expiresAt user { ...Person } }
      errors { ...Refusal }
    }
  }
`);

export const CHAT_LIST = graphql(`
  query ChatList($first: Int = 20, $after: String, $filter: ChatFilter) {
    viewer {
      cursor
      unreadCount
      user { ...Person }
      chats(first: $first, after: $after, filter: $filter) {
        nodes {
          id
          kind
          title
          lastActivityAt
          lastMessage { ...Bubble }
          viewerMembership { role unreadCount readSeq }
        }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
`);

export const HISTORY = graphql(`
  query History($chatId: ID!, $before: String) {
    chat(id: $chatId) {
      messages(last: 50, before: $before) {
        edges { cursor node { ...Bubble } }
        pageInfo { hasPreviousPage startCursor }
      }
    }
  }
`);

export const THINGS = graphql(`
  query Things($ids: [ID!]!) {
    nodes(ids: $ids) {
      __typename
      id
      ... on User { handle }
      ... on Chat { title }
      ... on Message { text }
    }
  }
`);

export const SEND = graphql(`
  mutation Send($input: SendMessageInput!) {
    sendMessage(input: $input) {
      message { ...Bubble }
      errors { ...Refusal }
    }
  }
`);

export const RENAME = graphql(`
  mutation Rename($input: UpdateChatInput!) {
    updateChat(input: $input) {
      chat { id title description }
      errors { ...Refusal }
    }
  }
`);

export const EVENTS = graphql(`
  subscription Events($after: Cursor, $chatIds: [ID!]) {
    events(after: $after, chatIds: $chatIds) {
      __typename
      cursor
      seq
      occurredAt
      chat { id }
      ... on ChatCreated { chat { id kind title } }
      ... on ChatChanged { chat { id title description } }
      ... on MessageSent { message { ...Bubble } }
      ... on MessageEdited { message { ...Bubble } }
      ... on MessageDeleted { messageId messageSeq }
      ... on ReactionsChanged { message { id reactions { emoji count } } }
      ... on MemberJoined { membership { role user { ...Person } } }
      ... on MemberLeft { membership { user { ...Person } } }
      ... on MemberRoleChanged { membership { role user { ...Person } } }
      ... on ReceiptsAdvanced { user { id } deliveredSeq readSeq }
      ... on SessionStarted { session { id deviceName } }
      ... on SessionEnded { sessionId }
      ... on ProfileChanged { user { ...Person } }
      ... on SettingsChanged { settings { hides } }
      ... on FoldersChanged { folders { name chatIds } }
      ... on ViewerMembershipChanged { chat { viewerMembership { archived } } }
      ... on MemberSilenced { membership { silencedUntil user { ...Person } } }
      ... on MessageExpired { messageId messageSeq }
      ... on MessagePinned { messageId }
      ... on MessageUnpinned { messageId }
      ... on MessageHidden { messageId }
      ... on HistoryCleared { chatId clearedSeq }
      ... on PollChanged { message { id poll { question options { text voteCount } } } }
      ... on LinkPreviewAdded { message { id linkPreview { title } } }
      ... on BlocksChanged { user { id viewerBlocks } }
      ... on JoinRequestsChanged { chatId }
      ... on JoinRequestAnswered { requestId approved }
      ... on ScheduledMessagesChanged { chatId scheduledMessages { id text } }
      ... on DraftChanged { chatId draft { text } }
      ... on ThreadChanged { threadId }
      ... on WebhookDisabled { webhookId }
      ... on ResyncRequired { reason }
    }
  }
`);

export const TYPING = graphql(`
  subscription Typing($chatId: ID!) {
    typing(chatId: $chatId) { typing expiresAt user { ...Person } }
  }
`);
