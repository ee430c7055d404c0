/**
 * The first conversation: tabs that a newcomer runs from left to right. Lines stay within 51 columns,
 * which is what GraphiQL shows of them in a window 1360 pixels wide.
 */

export interface Tab {
  query: string;
  variables?: string;
}

const WHO_AM_I = `# Welcome to Hubbub! These tabs are a first
# conversation: run them from left to right.
#
# 1. Register in the bar above.
# 2. Press the play button (or Ctrl-Enter).
#
# \`viewer\` is null as long as nobody is signed in.
# \`chats\` are yours; other tabs ask for their ids.
# The book on the left documents the whole schema.
#
# To get these tabs back: the wheel (settings),
# "Clear data", then reload the page.

query WhoAmI {
  viewer {
    user {
      id
      handle
      displayName
    }
    chats(first: 10) {
      nodes {
        id
        kind
        title
      }
    }
  }
}
`;

const FIND_PERSON = `# Whom do you want to talk to?
#
# Open this page in another browser tab, and
# register a second person there: each browser tab
# is signed in on its own. Write that handle into
# the variables below. Nobody by that handle: null.
#
# Copy the id for the next tab.

query FindPerson($handle: String!) {
  user(handle: $handle) {
    id
    handle
    displayName
  }
}
`;

const CREATE_CHAT = `# Makes a group of you and the people whose ids
# (from FindPerson) are in "memberIds": ["…", "…"].
#
# A refused mutation says why in \`errors\`, and
# then \`chat\` is null.
#
# Copy the chat's id for SendMessage and History.

mutation CreateChat($title: String!, $memberIds: [ID!]!) {
  createChat(
    input: {
      kind: GROUP
      title: $title
      memberIds: $memberIds
    }
  ) {
    chat {
      id
      title
    }
    errors {
      message
      code
      path
    }
  }
}
`;

const LISTEN = `# Everything that happens in your chats, as it
# happens, over a WebSocket: press play and leave
# it running. The newest event is on the right.
#
# Changing tabs within GraphiQL stops it, so listen
# here as one person, and send as the other from
# the second browser tab.

subscription Listen {
  events {
    __typename
    occurredAt
    chat {
      id
      title
    }
    ... on MessageSent {
      message {
        id
        text
        sender {
          displayName
        }
      }
    }
  }
}
`;

const SEND_MESSAGE = `# Says something. "chatId" is from CreateChat, or
# from the chats in WhoAmI.
#
# "clientMessageId" is a UUID that the client makes
# up. To send the same one again is safe: it makes
# no second message. While it is empty, this page
# fills in a fresh one for each run. To see a
# retry, press "New UUID" (the # button) and run
# this twice.

mutation SendMessage(
  $chatId: ID!
  $text: String!
  $clientMessageId: UUID!
) {
  sendMessage(
    input: {
      chatId: $chatId
      text: $text
      clientMessageId: $clientMessageId
    }
  ) {
    message {
      id
      seq
      text
      clientMessageId
    }
    errors {
      message
      code
      path
    }
  }
}
`;

const HISTORY = `# The newest twenty messages of a chat; "chatId"
# is the same as in SendMessage.
#
# While \`hasPreviousPage\` is true there are older
# ones: add "before" to the variables, with the
# \`startCursor\` that you got.
#
# A chat that you are not in is null, as if it did
# not exist.

query History($chatId: ID!, $before: String) {
  chat(id: $chatId) {
    title
    messages(last: 20, before: $before) {
      nodes {
        seq
        text
        sender {
          displayName
        }
      }
      pageInfo {
        hasPreviousPage
        startCursor
      }
    }
  }
}
`;

export const CONVERSATION: readonly Tab[] = [
  { query: WHO_AM_I },
  { query: FIND_PERSON, variables: json({ handle: '' }) },
  { query: CREATE_CHAT, variables: json({ title: 'First conversation', memberIds: [] }) },
  { query: LISTEN },
  { query: SEND_MESSAGE, variables: json({ chatId: '', text: 'Hello!', clientMessageId: '' }) },
  { query: HISTORY, variables: json({ chatId: '' }) },
];

function json(variables: object): string {
  return JSON.stringify(variables, null, 2);
}
