/** What a messenger asks of the server, as Relay wants it: fragments, connections, refetching. */
import { graphql } from 'relay-runtime';

export const person = graphql`
  fragment documents_person on User { handle displayName }
`;

export const bubble = graphql`
  fragment documents_bubble on Message {
    seq
    text
    clientMessageId
    createdAt
    editedAt
    deletedAt
    sender { ...documents_person }
    replyTo { id text }
    reactions { emoji count }
    viewerReactions
  }
`;

export const refusals = graphql`
  fragment documents_refusals on UserError @relay(plural: true) {
    __typename
    code
    message
    path
    ... on TooLongError @alias(as: "tooLong") { actual maximum }
  }
`;

/** Refetched by way of `viewer`. */
export const chats = graphql`
  fragment documents_chats on Viewer
  @refetchable(queryName: "documentsMoreChatsQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" }, filter: { type: "ChatFilter" }) {
    cursor
    unreadCount
    chats(first: $count, after: $cursor, filter: $filter) @connection(key: "documents_chats", filters: ["filter"]) {
      edges { node { id ...documents_chat lastMessage { ...documents_bubble } } }
    }
  }
`;

export const chat = graphql`
  fragment documents_chat on Chat {
    kind
    title
    memberCount
    lastActivityAt
    viewerMembership { role unreadCount readSeq }
  }
`;

/** Refetched by way of `node`; the newest messages come first. */
export const history = graphql`
  fragment documents_history on Chat
  @refetchable(queryName: "documentsOlderMessagesQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 50 }, cursor: { type: "String" }) {
    messages(last: $count, before: $cursor) @connection(key: "documents_messages") {
      __id
      edges { node { ...documents_bubble } }
    }
  }
`;

export const members = graphql`
  fragment documents_members on Chat
  @refetchable(queryName: "documentsMoreMembersQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 50 }, cursor: { type: "String" }) {
    members(first: $count, after: $cursor) @connection(key: "documents_members") {
      edges { node { role joinedAt user { ...documents_person } } }
    }
  }
`;

/** One message on its own, which `node` finds. */
export const single = graphql`
  fragment documents_single on Message @refetchable(queryName: "documentsMessageQuery") {
    ...documents_bubble
    chat { ...documents_chat }
  }
`;

export const people = graphql`
  query documentsPeopleQuery($search: String!, $count: Int!, $cursor: String) {
    users(search: $search, first: $count, after: $cursor) @connection(key: "documents_users") {
      edges { node { id ...documents_person } }
    }
  }
`;

export const home = graphql`
  query documentsHomeQuery {
    viewer { user { id ...documents_person } ...documents_chats }
    server { name version limits { textLength pageSize } }
  }
`;

export const open = graphql`
  query documentsOpenQuery($id: ID!) {
    chat(id: $id) { ...documents_chat ...documents_history ...documents_members }
  }
`;

export const send = graphql`
  mutation documentsSendMutation($input: SendMessageInput!, $connections: [ID!]!) @raw_response_type {
    sendMessage(input: $input) {
      message @appendNode(connections: $connections, edgeTypeName: "MessageEdge") { id ...documents_bubble }
      errors { ...documents_refusals code }
    }
  }
`;

export const remove = graphql`
  mutation documentsRemoveMutation($input: DeleteMessageInput!) {
    deleteMessage(input: $input) {
      deletedMessageId @deleteRecord
      errors { ...documents_refusals }
    }
  }
`;

export const events = graphql`
  subscription documentsEventsSubscription($after: Cursor, $chatIds: [ID!]) {
    events(after: $after, chatIds: $chatIds) {
      __typename
      cursor
      seq
      occurredAt
      chat { id }
      ... on MessageSent @alias(as: "sent") { message { ...documents_bubble id seq } }
      ... on MessageEdited @alias(as: "edited") { message { ...documents_bubble } }
      ... on MessageDeleted @alias(as: "deleted") { messageId messageSeq }
      ... on ReactionsChanged @alias(as: "reacted") { message { id reactions { emoji count } } }
      ... on MemberJoined @alias(as: "joined") { membership { role user { handle } } }
      ... on ReceiptsAdvanced @alias(as: "read") { user { id } deliveredSeq readSeq }
      ... on ResyncRequired @alias(as: "resync") { reason }
    }
  }
`;

export const typing = graphql`
  subscription documentsTypingSubscription($chatId: ID!) {
    typing(chatId: $chatId) { typing expiresAt user { ...documents_person } }
  }
`;
