// The part of Hubbub's schema that the benchmarks ask for, and messages in memory behind it.

export const typeDefs = /* GraphQL */ `
  type Query {
    viewer: User
  }
  type Mutation {
    sendMessage(input: SendMessageInput!): SendMessagePayload!
  }
  type Subscription {
    events: Event!
  }
  input SendMessageInput {
    chatId: ID!
    text: String!
    clientMessageId: ID!
  }
  type SendMessagePayload {
    message: Message
    errors: [UserError!]!
  }
  type UserError {
    code: String!
    message: String!
  }
  interface Event {
    chat: Chat!
  }
  type MessageSent implements Event {
    chat: Chat!
    message: Message!
  }
  type Chat {
    id: ID!
  }
  type Message {
    id: ID!
    seq: Int!
    text: String!
    createdAt: String!
    sender: User!
  }
  type User {
    id: ID!
    displayName: String!
  }
`;

// As long as Hubbub's ids.
const CHAT_ID = 'Y'.repeat(23);
const MESSAGE_ID = 'bQGfJ3aVJnWrIQxJrb1D-wAAA';
const PERSON = { id: 'person', displayName: 'Person 0' };

let last = 0;

/** Keep a message; returns it, and the event that tells of it. */
export function send({ text }) {
  last += 1;
  const id = MESSAGE_ID + String(last).padStart(6, '0');
  const message = { id, seq: last, text, createdAt: new Date().toISOString(), sender: PERSON };
  return { message, event: { __typename: 'MessageSent', chat: { id: CHAT_ID }, message } };
}

/** Serve on 127.0.0.1, on the port that the command line names, until a signal. */
export function listen(httpServer) {
  httpServer.listen(Number(process.argv[2]), '127.0.0.1');
  // Whoever weighs idle sockets asks for it first, so that no garbage is weighed with them.
  process.on('SIGUSR2', () => globalThis.gc());
}
