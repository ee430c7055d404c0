"""Documents: read once, validated once, and no more of them kept than fit.

Uncached, parsing and validating cost more than most requests do. Anybody can send any number of
different documents, signed in or not, so what is kept is bounded by bytes as well as by count.
"""

import functools
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    Visitor,
    parse,
    visit,
)

if TYPE_CHECKING:
    from schema.sharing import Sharing

# Of a document. GraphiQL's introspection query has about 300 tokens in 2 KB. A comment of any
# length is one token, so tokens alone bound nothing.
MAX_TOKENS = 5000
MAX_BYTES = 64 * 1024

# Of a mutation. Each of its fields is a transaction of its own, done one after the other.
MAX_MUTATIONS = 50
# And of these one: a guess at a password costs a request, which is what a proxy counts.
CREDENTIALS = frozenset({"register", "logIn", "refreshSession"})

KEPT = 1000  # documents
KEPT_BYTES = 32 * 1024 * 1024  # enough for 250 documents of 200 tokens
_BYTES_PER_TOKEN = 600  # 390 to 560, with the nodes made of it, as tracemalloc measured


class Document:
    """A document that could be parsed."""

    def __init__(self, text: str) -> None:
        """Parse a text; raises `GraphQLError`."""
        if len(text) > MAX_BYTES or len(text.encode()) > MAX_BYTES:
            raise GraphQLError(
                f"The document may have {MAX_BYTES} bytes at most.",
                extensions={"code": "GRAPHQL_PARSE_FAILED"},
            )
        self.text = text
        self.node: DocumentNode = parse(text, max_tokens=MAX_TOKENS)
        # Comments and strings are kept twice: in the text, and as the value of a token.
        self.size = 2 * sys.getsizeof(text) + _BYTES_PER_TOKEN * (self.node.token_count or 0)
        self._valid = False
        # What its subscriptions share, by name: see `schema/sharing.py`.
        self.sharing: dict[str | None, Sharing] = {}

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation that a request means; raises `GraphQLError` if it means none.

        Also raises it for a mutation that does too much at once. Strawberry would run the first of
        several operations when none is named, against GraphQL §6.1.
        """
        operations = [
            definition
            for definition in self.node.definitions
            if isinstance(definition, OperationDefinitionNode)
        ]
        if name is not None:
            operations = [each for each in operations if each.name and each.name.value == name]
            if not operations:
                raise GraphQLError(f"The document has no operation named {name[:60]!r}.")
        if len(operations) != 1:
            raise GraphQLError(
                "The document has no operation, or several: name one in operationName."
            )
        (operation,) = operations
        if operation.operation is OperationType.MUTATION:
            self._check_size(operation)
        return operation

    def _check_size(self, mutation: OperationDefinitionNode) -> None:
        fields = self._root_fields(mutation)
        if len(fields) > MAX_MUTATIONS:
            raise _too_many(f"A mutation may have {MAX_MUTATIONS} fields at most.")
        if sum(name in CREDENTIALS for name in fields.values()) > 1:
            names = ", ".join(sorted(CREDENTIALS))
            raise _too_many(f"Of {names} a mutation may have one only.")

    def _root_fields(self, operation: OperationDefinitionNode) -> dict[str, str]:
        """Return the name of each field that is executed, by its key in the response.

        Collected as GraphQL §6.3.2 has it, as if nothing were skipped: a fragment counts once, and
        so do fields with one key.
        """
        fragments = {
            definition.name.value: definition.selection_set
            for definition in self.node.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        fields: dict[str, str] = {}
        left = list(operation.selection_set.selections)
        while left:
            match left.pop():
                case FieldNode(alias=alias, name=name):
                    fields[(alias or name).value] = name.value
                case InlineFragmentNode(selection_set=selection_set):
                    left += selection_set.selections
                case FragmentSpreadNode(name=name):
                    if (found := fragments.pop(name.value, None)) is not None:
                        left += found.selections
        return fields

    def errors(self, validate: Callable[[DocumentNode], list[GraphQLError]]) -> list[GraphQLError]:
        """Return what `validate` finds wrong; it is not asked again once it has found nothing.

        Errors are not kept: a hundred of them can each repeat a long name.
        """
        if self._valid:
            return []
        errors = validate(self.node)
        self._valid = not errors
        return errors

    @functools.cached_property
    def asks_for_cursor(self) -> bool:
        """Whether `viewer { cursor }` is in it, also by way of a fragment."""
        finder = _CursorFinder()
        visit(self.node, finder)
        return finder.found


def _too_many(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "TOO_MANY_FIELDS"})


def declared(
    operation: OperationDefinitionNode, variables: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return those of the variables that the operation declares."""
    names = {each.variable.name.value for each in operation.variable_definitions or ()}
    return {name: value for name, value in (variables or {}).items() if name in names}


class Documents:
    """The documents that were asked for last, within `KEPT` and `KEPT_BYTES`."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._size = 0

    def read(self, text: str) -> Document:
        """Return the document of a text; raises `GraphQLError`."""
        if (known := self._kept.get(text)) is not None:
            self._kept.move_to_end(text)
            return known
        if not text.strip():
            raise GraphQLError("There is no query.")
        document = self._kept[text] = Document(text)
        self._size += document.size
        while len(self._kept) > KEPT or self._size > KEPT_BYTES:
            _, forgotten = self._kept.popitem(last=False)
            self._size -= forgotten.size
        return document


class _CursorFinder(Visitor):
    """Notices `viewer { cursor }`, also in fragments; edges have a field of that name too."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False
        self._within: list[str] = []

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        inside = self._within[-1:] in (["viewer"], ["Viewer"])
        self.found = self.found or (node.name.value == "cursor" and inside)
        self._within.append(node.name.value)

    def leave_field(self, *_: Any) -> None:
        self._within.pop()

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> None:
        self._within.append(node.type_condition.name.value)

    def leave_fragment_definition(self, *_: Any) -> None:
        self._within.pop()
