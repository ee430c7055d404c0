"""What a bot's token must allow for the fields that an operation asks for, wherever they stand.

`POLICIES` says which scope a field of the three roots needs. But what a root field leads to can be
reached by others as well: a message through the answer of a mutation, a chat's members through a
message. So every type that holds what a scope protects is named here, and an operation is looked at
before it runs, and before any id in it is: what is asked of such a type needs its scope. All of an
operation runs, or nothing of it.
"""

from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)

from models.bots import BotScope
from models.errors import Forbidden, Refusal
from models.viewer import Viewer
from schema.admission import Admitted
from schema.documents import Document
from schema.policies import POLICIES

# What every field of a type needs, unless `FREE` has it.
TYPES: dict[str, BotScope] = {
    "Chat": BotScope.CHATS_READ,
    "ChatConnection": BotScope.CHATS_READ,
    "ChatEdge": BotScope.CHATS_READ,
    "Message": BotScope.MESSAGES_READ,
    "MessageConnection": BotScope.MESSAGES_READ,
    "MessageEdge": BotScope.MESSAGES_READ,
    "MessageEdit": BotScope.MESSAGES_READ,
    "ForwardOrigin": BotScope.MESSAGES_READ,
    "PinnedMessage": BotScope.MESSAGES_READ,
    "PinnedMessageConnection": BotScope.MESSAGES_READ,
    "PinnedMessageEdge": BotScope.MESSAGES_READ,
    "ReactionGroup": BotScope.MESSAGES_READ,
    "Membership": BotScope.MEMBERS_READ,
    "MemberConnection": BotScope.MEMBERS_READ,
    "MembershipEdge": BotScope.MEMBERS_READ,
}

# What tells a bot no more than that what it has done is done.
FREE: dict[str, frozenset[str]] = {
    "Chat": frozenset({"id"}),
    "Message": frozenset({"id", "seq", "clientMessageId", "createdAt"}),
}


def check_scopes(
    schema: GraphQLSchema, admitted: Admitted, asking: Viewer | Refusal | None
) -> None:
    """Raise `GraphQLError` if a bot asks for what its token does not allow."""
    if not isinstance(asking, Viewer) or asking.scopes is None:
        return
    for scope, field in needed(schema, admitted.document, admitted.node).items():
        if scope not in asking.scopes:
            refusal = Forbidden(f"The bot's token lacks the scope {scope}, which {field} needs.")
            raise GraphQLError(refusal.message, original_error=refusal)


def needed(
    schema: GraphQLSchema, document: Document, operation: OperationDefinitionNode
) -> dict[str, str]:
    """Return the scopes that a valid operation needs, each with a field that needs it.

    Worked out once for each operation of a document.
    """
    key = id(operation)
    found = document.scopes.get(key)
    if found is None:
        found = document.scopes[key] = _worked_out(schema, document, operation)
    return found


def _worked_out(
    schema: GraphQLSchema, document: Document, operation: OperationDefinitionNode
) -> dict[str, str]:
    fragments = dict(document.fragments)
    found: dict[str, str] = {}
    left: list[OperationDefinitionNode | FragmentDefinitionNode] = [operation]
    while left:
        looker = _Looker(TypeInfo(schema), found)
        definition = left.pop()
        visit(DocumentNode(definitions=(definition,)), TypeInfoVisitor(looker.types, looker))
        # A fragment is looked at once, however often it is spread.
        left += [fragments.pop(name) for name in looker.spreads if name in fragments]
    return found


class _Looker(Visitor):
    """Looks at everything that an operation, or one of its fragments, selects."""

    def __init__(self, types: TypeInfo, found: dict[str, str]) -> None:
        super().__init__()
        self.types = types
        self.spreads: set[str] = set()
        self._found = found

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, name = self.types.get_parent_type(), node.name.value
        if parent is None or name == "__typename" or name in FREE.get(parent.name, ()):
            return
        field = f"{parent.name}.{name}"
        policy = POLICIES.get(field)
        scope = policy.scope if policy is not None else TYPES.get(parent.name)
        if scope is not None:
            self._found.setdefault(scope, field)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.spreads.add(node.name.value)
