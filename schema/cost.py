"""What an operation would cost at most: its fields, times the sizes of the pages around them.

Nothing is executed to find out. The cost of a fragment is found once, as a cost for itself and a
cost for each entry of the connection it stands in, so a document takes time in proportion to its
length, however often its fragments are spread.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
)

from resolvers.forwarding import MAX_FORWARDED
from schema.connections import DEFAULT_PAGE, MAX_PAGE
from schema.introspection import WRAPPERS, list_lengths
from schema.limits import exceeded

# What is spread twice as often at every level is soon beyond counting, and beyond JSON's numbers.
BEYOND = 1_000_000_000

# About 10 µs each, with SQLite on the machine of `bench/RESULTS.md`: half a second. Two hundred
# chats with their last messages and these with their senders come to 8,000.
MAX_COST = 50_000

# Beside a number or a text, which costs 1:
OBJECT = 5  # read from the database, and made into what its fields are asked of
PAGE = 10  # has a statement of its own, or a share in one
TRANSACTION = 100  # what a mutation is
# How long lists without a page size are taken to be; the others are taken for `LIST` long.
LISTS = {
    "AddMembersPayload.memberships": MAX_PAGE,  # as many as may be added at once
    "Admin.invitations": MAX_PAGE,  # as many as are shown at most
    "AdminUser.sessions": 5,
    "AuditEntry.details": 2,
    "Chat.guestLinks": 2,  # most chats have none
    "Message.mentions": 2,  # most messages name nobody
    "Chat.joinLinks": 2,
    "Chat.wordFilters": 2,
    "Admin.wordFilters": MAX_PAGE,
    "AdminSetWordFiltersPayload.wordFilters": MAX_PAGE,
    "ChatActEntry.details": 2,
    "ReportEvidence.messages": 6,
    "ForwardMessagesPayload.messages": MAX_FORWARDED,
    "Message.edits": 2,  # most messages have none
    "Chat.incomingWebhooks": 2,
    "Chat.webhooks": 2,
    "Message.reactions": 2,  # most messages have none
    "TransferOwnershipPayload.memberships": 2,
    "ReceiptSummary.readBy": 20,  # most chats have fewer people, none shows more than 100
    "Poll.options": 4,
    "ReportedPoll.options": 4,
    "Viewer.sessions": 20,
    "Viewer.joinRequests": 5,
    "Webhook.deliveries": 50,
    "Webhook.events": 8,
}
LIST = 10
# What is worked out each time takes this much more.
COMPUTED = {"Message.html": 20, "MessageEdit.html": 20}
# Fields that read much to answer with little.
HEAVY = {
    "Chat.onlineCount": 200,  # of up to a hundred members, whether they are there: 2 ms
}
# Fields with which the schema tells of itself, which cost as much as one that reads what is stored:
# the introspection of clients takes 28 ms, 1 µs for each of what it is counted as.
TOLD = 4
ERRORS = 1  # a mutation is refused for one reason


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of a selection: what comes once, and what comes with each entry of a connection."""

    once: int = 0
    each: int = 0


@dataclass(frozen=True, slots=True)
class _Field:
    """What is known of a field before it is asked for."""

    type: GraphQLNamedType
    weight: int
    entry: int  # the weight of each entry of a list
    length: int  # of a list; 1 for anything else
    page: int | None  # the size of a connection's page unless another is asked for
    entries: bool  # `edges` and `nodes`: as many as the page around them has
    by_ids: bool  # as many as ids are given


@dataclass(frozen=True, slots=True)
class Weighed:
    """What an operation cost last, and with which sizes given by which variables."""

    names: tuple[str, ...]
    sizes: tuple[int | None, ...]
    cost: int


class Costs:
    """Costs of operations on one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._introspected = list_lengths(schema)
        self._fields: dict[tuple[str, str], _Field | None] = {}

    def weigh(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        before: Weighed | None = None,
    ) -> Weighed:
        """Return the cost of a valid operation; raises `GraphQLError` if it is too high.

        With what it cost `before`, only variables that are sizes of pages are looked at.
        """
        if before is not None and before.sizes == _sizes(before.names, variables):
            return before
        weighing = _Weighing(self, operation, fragments, variables)
        cost = weighing.cost()
        if cost > MAX_COST:
            raise exceeded(
                "TOO_COSTLY",
                f"The operation costs {cost}; at most {MAX_COST} is allowed. "
                "Ask for shorter pages, or for fewer lists within lists.",
                actual=cost,
                maximum=MAX_COST,
            )
        names = tuple(weighing.names)
        return Weighed(names, _sizes(names, variables), cost)

    def field(self, parent: GraphQLNamedType, name: str) -> _Field | None:
        """Return what is known of a field; None for `__typename`."""
        key = (parent.name, name)
        if key not in self._fields:
            definition = self._schema.get_field(parent, name)  # type: ignore[arg-type]
            self._fields[key] = self._known(parent, name, definition) if definition else None
        return self._fields[key]

    def root(self, kind: OperationType) -> GraphQLNamedType:
        """Return the type that operations of a kind begin with."""
        return cast("GraphQLNamedType", self._schema.get_root_type(kind))

    def type(self, name: str) -> GraphQLNamedType:
        """Return the type that a valid document names."""
        return self._schema.type_map[name]

    def _known(self, parent: GraphQLNamedType, name: str, field: GraphQLField) -> _Field | None:
        type_ = get_named_type(field.type)
        if name == "__typename":
            return None
        is_list = is_list_type(get_nullable_type(field.type)) and not is_leaf_type(type_)
        entries = is_list and _is_connection(parent)
        page = _default_page(field) if _is_connection(type_) else None
        by_ids = is_list and "ids" in field.args
        told = parent.name.startswith("__")  # by the schema, which is in memory
        object_ = 1 if told or is_leaf_type(type_) else OBJECT
        weight = HEAVY.get(f"{parent.name}.{name}", object_)
        if parent is self._schema.mutation_type:
            weight = TRANSACTION
        elif page is not None or by_ids:
            weight = PAGE
        elif is_list:
            weight = 1
        weight += COMPUTED.get(f"{parent.name}.{name}", 0)
        length = 1
        if is_list and not (entries or by_ids):
            length = self._length(parent, name, type_)
        return _Field(
            type=type_,
            weight=weight,
            entry=object_ if is_list else 0,
            length=length,
            page=page,
            entries=entries,
            by_ids=by_ids,
        )

    def _length(self, parent: GraphQLNamedType, name: str, type_: GraphQLNamedType) -> int:
        if type_.name == "UserError":
            return ERRORS
        if parent.name.startswith("__"):
            return self._introspected.get(f"{parent.name}.{name}", 1)
        return LISTS.get(f"{parent.name}.{name}", LIST)


class _Weighing:
    """The cost of one operation with the variables of one request."""

    def __init__(
        self,
        costs: Costs,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self._costs = costs
        self._operation = operation
        self._fragments = fragments
        self._variables = variables
        self._defaults = {
            each.variable.name.value: each.default_value
            for each in operation.variable_definitions or ()
        }
        self._weighed: dict[str, _Cost] = {}
        self._wrapped = 0  # how many `ofType` are around what is looked at
        # Variables that are sizes of pages, in the order in which they are met.
        self.names: dict[str, None] = {}

    def cost(self) -> int:
        """Return the cost of the operation, `BEYOND` at most."""
        root = self._costs.root(self._operation.operation)
        return self._selected(self._operation.selection_set, root).once

    def _selected(self, selections: SelectionSetNode, parent: GraphQLNamedType) -> _Cost:
        once = each = 0
        spread: set[str] = set()  # a second time it adds nothing (GraphQL §6.3.2)
        for selection in selections.selections:
            cost = _Cost()
            match selection:
                case FieldNode():
                    cost = self._asked(selection, parent)
                case FragmentSpreadNode(name=name):
                    if name.value not in spread:
                        spread.add(name.value)
                        cost = self._spread(name.value)
                case InlineFragmentNode(type_condition=condition, selection_set=inner):
                    type_ = self._costs.type(condition.name.value) if condition else parent
                    cost = self._selected(inner, type_)
            once = min(once + cost.once, BEYOND)
            each = min(each + cost.each, BEYOND)
        return _Cost(once, each)

    def _spread(self, name: str) -> _Cost:
        if name not in self._weighed:
            fragment = self._fragments[name]
            type_ = self._costs.type(fragment.type_condition.name.value)
            wrapped, self._wrapped = self._wrapped, 0
            self._weighed[name] = self._selected(fragment.selection_set, type_)
            self._wrapped = wrapped
        return self._weighed[name]

    def _asked(self, node: FieldNode, parent: GraphQLNamedType) -> _Cost:
        field = self._costs.field(parent, node.name.value)
        if field is None:
            return _Cost(once=1)
        inner = self._inside(node, field)
        if field.entries:
            return _Cost(once=field.weight, each=field.entry + inner.once)
        if field.page is not None:
            size = self._page(node, field.page)
            return _Cost(once=field.weight + inner.once + size * inner.each)
        length = self._ids(node) if field.by_ids else field.length
        if node.name.value in ("__schema", "__type"):
            return _Cost(once=(field.weight + inner.once) // TOLD)
        return _Cost(once=field.weight + length * (field.entry + inner.once))

    def _inside(self, node: FieldNode, field: _Field) -> _Cost:
        if node.selection_set is None:
            return _Cost()
        if node.name.value != "ofType":
            return self._selected(node.selection_set, field.type)
        if self._wrapped == WRAPPERS:
            return _Cost()  # null, however many more are asked for
        self._wrapped += 1
        cost = self._selected(node.selection_set, field.type)
        self._wrapped -= 1
        return cost

    def _page(self, node: FieldNode, default: int) -> int:
        sizes = [
            self._size(argument.value)
            for argument in node.arguments or ()
            if argument.name.value in ("first", "last")
        ]
        # With both, or a size that no page may have, the field is refused when its turn comes.
        return max((size for size in sizes if size is not None), default=default)

    def _ids(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value == "ids":
                return self._size(argument.value) or 1
        return 1

    def _size(self, value: ValueNode | None) -> int | None:
        match value:
            case IntValueNode(value=digits):
                return _bounded(int(digits))
            case ListValueNode(values=values):
                return _bounded(len(values))
            case VariableNode(name=name):
                self.names[name.value] = None
                if name.value in self._variables:
                    return _given(self._variables[name.value])
                return self._size(self._defaults.get(name.value))
        return None


def _sizes(names: tuple[str, ...], variables: Mapping[str, Any]) -> tuple[int | None, ...]:
    """Return the sizes that variables give; -1 for one that is absent, which has a default."""
    return tuple(_given(variables[name]) if name in variables else -1 for name in names)


def _given(value: object) -> int | None:
    """Return the size that a variable's value means; None for null, and for what is refused."""
    if isinstance(value, list):
        return _bounded(len(value))
    return _bounded(value) if isinstance(value, int | float) else None


def _bounded(size: float) -> int:
    # Other sizes are refused by the field; an infinite one has no integer.
    return int(max(1, min(size, MAX_PAGE)))


def _is_connection(type_: GraphQLNamedType) -> bool:
    return is_object_type(type_) and "pageInfo" in type_.fields


def _default_page(field: GraphQLField) -> int:
    argument = field.args.get("first")
    default = argument.default_value if argument is not None else None
    return default if isinstance(default, int) else DEFAULT_PAGE
