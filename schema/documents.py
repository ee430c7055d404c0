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
    GraphQLError,
    OperationDefinitionNode,
    Visitor,
    parse,
    visit,
)

from schema.cost import Costs, Weighed
from schema.limits import check_shape, exceeded

if TYPE_CHECKING:
    from schema.sharing import Sharing

# Of a document. GraphiQL's introspection query has about 300 tokens in 2 KB, and no operation of
# our clients has 150; the worst take about 15 µs for each. A comment of any length is one token, so
# tokens alone bound nothing.
MAX_TOKENS = 3000
MAX_BYTES = 64 * 1024

WEIGHED = 8  # operations of a document whose cost is remembered; clients send one in each

KEPT = 1000  # documents
KEPT_BYTES = 32 * 1024 * 1024  # enough for 250 documents of 200 tokens
_BYTES_PER_TOKEN = 600  # 390 to 560, with the nodes made of it, as tracemalloc measured


class Document:
    """A document that could be parsed."""

    def __init__(self, text: str) -> None:
        """Parse a text; raises `GraphQLError`."""
        size = len(text) if len(text) > MAX_BYTES else len(text.encode())
        if size > MAX_BYTES:
            raise exceeded(
                "GRAPHQL_PARSE_FAILED",
                f"The document has {size} bytes; at most {MAX_BYTES} are allowed.",
                actual=size,
                maximum=MAX_BYTES,
            )
        self.node: DocumentNode = parse(text, max_tokens=MAX_TOKENS)
        # Comments and strings are kept twice: in the text, and as the value of a token.
        self.size = 2 * sys.getsizeof(text) + _BYTES_PER_TOKEN * (self.node.token_count or 0)
        self._valid = False
        # What its subscriptions share, by name: see `schema/sharing.py`.
        self.sharing: dict[str | None, Sharing] = {}
        # What its operations need of a bot's token: see `schema/scopes.py`.
        self.scopes: dict[int, dict[str, str]] = {}
        self._shaped: set[int] = set()
        self._weighed: dict[int, Weighed] = {}

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation that a request means; raises `GraphQLError` if it means none.

        Strawberry would run the first of several when none is named, against GraphQL §6.1.
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
        return operations[0]

    @functools.cached_property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        """Its fragments by name."""
        return {
            definition.name.value: definition
            for definition in self.node.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }

    def check_shape(self, operation: OperationDefinitionNode) -> None:
        """Raise `GraphQLError` unless one of its operations is within the limits of `limits.py`."""
        if id(operation) not in self._shaped:
            check_shape(operation, self.fragments)
            self._shaped.add(id(operation))

    def weigh(
        self, costs: Costs, operation: OperationDefinitionNode, variables: Mapping[str, Any]
    ) -> int:
        """Return what one of its operations costs; raises `GraphQLError` if that is too much."""
        weighed = costs.weigh(
            operation, self.fragments, variables, self._weighed.get(id(operation))
        )
        if len(self._weighed) >= WEIGHED:
            self._weighed.clear()
        self._weighed[id(operation)] = weighed
        return weighed.cost

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
