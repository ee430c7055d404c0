"""Which subscriptions may be answered once for many people, and what they have to agree on.

What is rendered once is seen by everybody in the group, so it may hold nothing that differs between
them. That is decided here, before anything runs, by a list of the fields that are known to show the
same to all who get an event. A field that is not listed is rendered for each viewer. And a shared
rendering has no viewer at all: a field that is listed by mistake, and asks for one, fails.
"""

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    SKIP,
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    VisitorAction,
    parse,
    print_ast,
    visit,
)

from schema.documents import Document

_EVENT = frozenset({"cursor", "chat", "seq", "occurredAt", "actor"})

# Of each type, the fields that show the same to everybody who is told an event with it.
# `Message.replyTo` and `Chat.lastMessage` are not among them: they may be older than somebody's
# joining. `Message.chat` is: with an event, it is the chat that all of them are in.
SHAREABLE: dict[str, frozenset[str]] = {
    "Event": _EVENT,
    "ChatCreated": _EVENT,
    "ChatChanged": _EVENT,
    "MemberJoined": _EVENT | {"membership"},
    "MemberLeft": _EVENT | {"membership"},
    "MemberRoleChanged": _EVENT | {"membership"},
    "MemberSilenced": _EVENT | {"membership"},
    "MessageSent": _EVENT | {"message"},
    "MessageEdited": _EVENT | {"message"},
    "MessageDeleted": _EVENT | {"messageId", "messageSeq", "threadId"},
    "MessageExpired": _EVENT | {"messageId", "messageSeq", "threadId"},
    "ReactionsChanged": _EVENT | {"message"},
    # `pinnedMessage` may be older than somebody's joining.
    "MessagePinned": _EVENT | {"messageId", "messageSeq"},
    "MessageUnpinned": _EVENT | {"messageId", "messageSeq"},
    "PollChanged": _EVENT | {"message"},
    "LinkPreviewAdded": _EVENT | {"message"},
    "ReceiptsAdvanced": _EVENT | {"user", "deliveredSeq", "readSeq"},
    # Told to one person alone.
    "SessionStarted": _EVENT | {"session"},
    "SessionEnded": _EVENT | {"sessionId"},
    "ProfileChanged": _EVENT | {"user"},
    # `settings` belong to the viewer, so they are asked for by each.
    "SettingsChanged": _EVENT,
    "BlocksChanged": _EVENT | {"user"},
    "JoinRequestsChanged": _EVENT | {"chatId"},
    "JoinRequestAnswered": _EVENT | {"requestId", "approved"},
    "FoldersChanged": _EVENT,
    "ViewerMembershipChanged": _EVENT - {"chat"},
    "MessageHidden": _EVENT | {"messageId", "messageSeq"},
    "HistoryCleared": _EVENT | {"chatId", "clearedSeq"},
    "ScheduledMessagesChanged": _EVENT | {"chatId"},
    "DraftChanged": _EVENT | {"chatId", "threadId"},
    "ThreadChanged": _EVENT | {"threadId"},
    "WebhookDisabled": _EVENT | {"webhookId"},
    "CursorAdvanced": _EVENT,
    "ResyncRequired": _EVENT | {"reason"},
    "TypingChanged": frozenset({"typing", "expiresAt", "user", "chat"}),
    # It is decided for each who is told; what is told is then the same.
    "PresenceChanged": frozenset({"user", "state", "lastSeenAt"}),
    "Chat": frozenset(
        {
            "id",
            "kind",
            "title",
            "description",
            "memberCount",
            "createdAt",
            "lastActivityAt",
            "historyVisibility",
            "messageTtl",
            "slowMode",
            "reactionSet",
            "expiredSeq",
        }
    ),
    # Its pointers are not among them: who hides their own sees nobody's.
    "Membership": frozenset({"id", "role", "joinedAt", "silencedUntil", "permissions", "user"}),
    "Message": frozenset(
        {
            "id",
            "seq",
            "kind",
            "text",
            "html",
            "quote",
            "forwardedFrom",
            "clientMessageId",
            "createdAt",
            "editedAt",
            "deletedAt",
            "expiresAt",
            "chat",
            "sender",
            "reactions",
            "system",
            "mentions",
            "mentionsAll",
            "poll",
            "threadId",
            "threadNumber",
            "linkPreview",
        }
    ),
    "SystemMessage": frozenset({"what", "count", "text", "seconds", "subject"}),
    "ForwardOrigin": frozenset({"sentAt"}),
    # Who has chosen an answer is asked for by each: whether they may know it is looked up again.
    "Poll": frozenset(
        {"question", "options", "multiple", "anonymous", "totalVoters", "closed", "closesAt"}
    ),
    "PollOption": frozenset({"index", "text", "voteCount"}),
    "LinkPreview": frozenset({"url", "title", "description", "siteName", "imageUrl"}),
    "ReactionGroup": frozenset({"emoji", "count"}),
    "Session": frozenset(
        {
            "id",
            "deviceName",
            "createdAt",
            "lastSeenAt",
            "expiresAt",
            "address",
            "userAgent",
            "user",
        }
    ),
    "User": frozenset(
        {
            "id",
            "handle",
            "displayName",
            "kind",
            "createdAt",
            "bio",
            "status",
            "timeZone",
            "deactivated",
        }
    ),
    "UserStatus": frozenset({"text", "emoji", "expiresAt"}),
    "Node": frozenset({"id"}),
}


@dataclass(slots=True)
class Sharing:
    """What decides with whom a subscription shares its results, and what is kept to render them."""

    # The operation and its fragments alone, without what else is in the document, and without the
    # text and the tokens that they were read from: a subscription may live for hours.
    kept: DocumentNode
    shareable: bool = True
    # The variables that its results depend on. Those of the root field alone say what is heard,
    # which each subscriber's feed sees to.
    variables: set[str] = field(default_factory=set)
    shows_cursor: bool = False


def sharing(
    schema: GraphQLSchema, document: Document, operation: OperationDefinitionNode
) -> Sharing:
    """Return what a valid subscription shares; worked out once for each of a document."""
    name = operation.name.value if operation.name else None
    found = document.sharing.get(name)
    if found is None:
        found = document.sharing[name] = _worked_out(schema, document, operation)
    return found


def _worked_out(
    schema: GraphQLSchema, document: Document, operation: OperationDefinitionNode
) -> Sharing:
    fragments = dict(document.fragments)
    kept: list[OperationDefinitionNode | FragmentDefinitionNode] = []
    found = Sharing(document.node)
    left: list[OperationDefinitionNode | FragmentDefinitionNode] = [operation]
    while left:
        looker = _Looker(schema, found)
        kept.append(left.pop())
        visit(kept[-1], TypeInfoVisitor(looker.types, looker))
        # A fragment is looked at once, however often it is spread.
        left += [fragments.pop(name) for name in looker.spreads if name in fragments]
    found.kept = parse(print_ast(DocumentNode(definitions=tuple(kept))), no_location=True)
    return found


class _Looker(Visitor):
    """Looks at everything that an operation, or one of its fragments, selects."""

    def __init__(self, schema: GraphQLSchema, found: Sharing) -> None:
        super().__init__()
        self.types = TypeInfo(schema)
        self.spreads: set[str] = set()
        self._root = schema.subscription_type
        self._events = schema.get_type("Event")
        self._found = found

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, name = self.types.get_parent_type(), node.name.value
        if parent is None or parent is self._root or name == "__typename":
            return
        if name not in SHAREABLE.get(parent.name, ()):
            self._found.shareable = False
        interfaces = parent.interfaces if isinstance(parent, GraphQLObjectType) else ()
        if name == "cursor" and (parent is self._events or self._events in interfaces):
            self._found.shows_cursor = True

    def enter_argument(self, _node: ArgumentNode, *_: Any) -> VisitorAction:
        return SKIP if self.types.get_parent_type() is self._root else None

    def enter_variable_definition(self, _node: VariableDefinitionNode, *_: Any) -> VisitorAction:
        return SKIP

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self._found.variables.add(node.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.spreads.add(node.name.value)
