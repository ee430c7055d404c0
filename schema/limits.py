"""What an operation may be at most, on every transport, as far as its text alone tells.

Looked at before validation, whose cost grows with what is limited here. What an operation may ask
for is in `schema/cost.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import orjson
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
)

# The deepest query of our own clients, tests and examples has 8 levels. `chat` in `message` and
# `message` in `chat` could go on for ever.
MAX_DEPTH = 15
# Fragments in fragments count here as well; GraphiQL's introspection query has 18.
MAX_NESTING = 60
# Twice what a mutation of as many fields as are allowed needs, each with a name of its own.
MAX_ALIASES = 100
# As many as aliases: `@include` on every field that has one is the most that clients generate.
MAX_DIRECTIVES = 100
# Of a mutation each is a transaction of its own, done one after the other.
MAX_ROOT_FIELDS = 50
# And of these one: a guess at a password costs a request, which is what a proxy counts.
CREDENTIALS = frozenset(
    {
        "register",
        "logIn",
        "completeLogIn",
        "finishPasskeyLogIn",
        "confirmIdentity",
        "refreshSession",
        "changePassword",
        "requestPasswordReset",
        "resetPassword",
        "restoreEmail",
        "verifyEmail",
    }
)

# As JSON: six of the longest messages.
MAX_VARIABLES = 256 * 1024  # bytes
# Of a subscription: 2,000 ids. They stay for as long as it does.
MAX_KEPT_VARIABLES = 64 * 1024  # bytes


def exceeded(code: str, message: str, *, actual: int, maximum: int) -> GraphQLError:
    """Return the error of an operation that is beyond a limit; the message has both numbers."""
    return GraphQLError(message, extensions={"code": code, "actual": actual, "maximum": maximum})


def check_shape(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> None:
    """Raise `GraphQLError` for an operation that is too deep, or has too much of something.

    Takes time in proportion to the document, however often its fragments are spread.
    """
    shape = _shape(operation, fragments)
    for code, actual, maximum, words in (
        ("TOO_DEEP", shape.depth, MAX_DEPTH, "is {} levels deep"),
        ("TOO_DEEP", shape.nesting, MAX_NESTING, "nests selections and fragments {} deep"),
        ("TOO_MANY_ALIASES", shape.aliases, MAX_ALIASES, "has {} aliases"),
        ("TOO_MANY_DIRECTIVES", shape.directives, MAX_DIRECTIVES, "has {} directives"),
    ):
        if actual > maximum:
            message = f"The operation {words.format(actual)}; at most {maximum} are allowed."
            raise exceeded(code, message, actual=actual, maximum=maximum)
    _check_root(operation, fragments)


def check_variables(operation: OperationDefinitionNode, variables: dict[str, Any]) -> None:
    """Raise `GraphQLError` when an operation brings more variables than it may."""
    if not variables:
        return
    kept = operation.operation is OperationType.SUBSCRIPTION
    maximum = MAX_KEPT_VARIABLES if kept else MAX_VARIABLES
    try:
        size = len(orjson.dumps(variables))
    except orjson.JSONEncodeError:  # it reads 1024 levels, and writes 254
        message = f"The variables of the {operation.operation.value} are nested too deeply."
        raise GraphQLError(message, extensions={"code": "VARIABLES_TOO_LARGE"}) from None
    if size > maximum:
        raise exceeded(
            "VARIABLES_TOO_LARGE",
            f"The variables of the {operation.operation.value} have {size} bytes; "
            f"at most {maximum} are allowed.",
            actual=size,
            maximum=maximum,
        )


@dataclass(slots=True)
class _Shape:
    """What one definition has by itself, and where it spreads which fragments."""

    depth: int = 0
    nesting: int = 0
    aliases: int = 0
    directives: int = 0
    # The greatest depth and nesting at which each fragment is spread.
    spreads: dict[str, tuple[int, int]] = field(default_factory=dict)


def _shape(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> _Shape:
    """Return the shape of an operation with its fragments in place.

    Aliases and directives count once wherever they stand: a fragment that is spread often is a
    matter of cost.
    """
    whole = _own_shape(operation)
    reached: dict[str, _Shape] = {}
    left = list(whole.spreads)
    while left:
        name = left.pop()
        if name not in reached and name in fragments:
            reached[name] = _own_shape(fragments[name])
            left += reached[name].spreads
    order = TopologicalSorter({name: shape.spreads for name, shape in reached.items()})
    try:
        for name in order.static_order():
            if name in reached:
                _put_fragments(reached[name], reached)
    except CycleError:
        return whole  # validation refuses it, and says where
    _put_fragments(whole, reached)
    for shape in reached.values():
        whole.aliases += shape.aliases
        whole.directives += shape.directives
    return whole


def _put_fragments(shape: _Shape, fragments: Mapping[str, _Shape]) -> None:
    """Make a definition as deep as the fragments that it spreads make it."""
    for name, (depth, nesting) in shape.spreads.items():
        if name in fragments:
            shape.depth = max(shape.depth, depth + fragments[name].depth)
            shape.nesting = max(shape.nesting, nesting + fragments[name].nesting)


def _own_shape(definition: OperationDefinitionNode | FragmentDefinitionNode) -> _Shape:
    shape = _Shape(directives=len(definition.directives or ()))
    # What asks for the schema is not deep by our doing: a list of a type is a type of a type.
    deep = not (
        isinstance(definition, FragmentDefinitionNode)
        and definition.type_condition.name.value.startswith("__")
    )
    left: list[tuple[SelectionNode, int, int, bool]] = [
        (selection, 0, 1, deep) for selection in definition.selection_set.selections
    ]
    while left:
        selection, depth, nesting, deep = left.pop()
        shape.directives += len(selection.directives or ())
        shape.nesting = max(shape.nesting, nesting)
        if isinstance(selection, FragmentSpreadNode):
            before = shape.spreads.get(selection.name.value, (0, 0))
            shape.spreads[selection.name.value] = (
                max(before[0], depth),
                max(before[1], nesting),
            )
            continue
        inner = selection.selection_set if isinstance(selection, InlineFragmentNode) else None
        if isinstance(selection, FieldNode):
            inner = selection.selection_set
            shape.aliases += selection.alias is not None
            depth += deep
            shape.depth = max(shape.depth, depth)
            deep = deep and selection.name.value not in ("__schema", "__type")
        if inner is not None:
            left += [(each, depth, nesting + 1, deep) for each in inner.selections]
    return shape


def _check_root(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> None:
    fields = _root_fields(operation, fragments)
    if len(fields) > MAX_ROOT_FIELDS:
        raise exceeded(
            "TOO_MANY_FIELDS",
            f"The {operation.operation.value} has {len(fields)} fields at its root; "
            f"at most {MAX_ROOT_FIELDS} are allowed.",
            actual=len(fields),
            maximum=MAX_ROOT_FIELDS,
        )
    tries = sum(name in CREDENTIALS for name in fields.values())
    if operation.operation is OperationType.MUTATION and tries > 1:
        names = ", ".join(sorted(CREDENTIALS))
        message = f"Of {names} the mutation has {tries}; at most 1 is allowed."
        raise exceeded("TOO_MANY_FIELDS", message, actual=tries, maximum=1)


def _root_fields(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> dict[str, str]:
    """Return the name of each field that is executed, by its key in the response.

    Collected as GraphQL §6.3.2 has it, as if nothing were skipped: a fragment counts once, and so
    do fields with one key.
    """
    unseen = dict(fragments)
    fields: dict[str, str] = {}
    left = list(operation.selection_set.selections)
    while left:
        match left.pop():
            case FieldNode(alias=alias, name=name):
                fields[(alias or name).value] = name.value
            case InlineFragmentNode(selection_set=selection_set):
                left += selection_set.selections
            case FragmentSpreadNode(name=name):
                if (found := unseen.pop(name.value, None)) is not None:
                    left += found.selection_set.selections
    return fields
