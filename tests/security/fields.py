"""What in the schema takes arguments: every root field, and every field within that takes an id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationType,
    get_named_type,
    is_input_object_type,
    is_leaf_type,
    is_object_type,
    is_required_argument,
)

from schema.engine import build_schema


@dataclass(frozen=True)
class Field:
    """A field with arguments, and where in them ids stand: `("input", "chatId")`."""

    parent: str
    name: str
    definition: GraphQLField
    id_paths: tuple[tuple[str, ...], ...]

    @property
    def key(self) -> str:
        return f"{self.parent}.{self.name}"

    @property
    def operation(self) -> OperationType | None:
        """What it begins if it stands at the root."""
        return _ROOTS.get(self.parent)


_ROOTS = {
    "Query": OperationType.QUERY,
    "Mutation": OperationType.MUTATION,
    "Subscription": OperationType.SUBSCRIPTION,
}


def core(*, administrators: bool = False) -> GraphQLSchema:
    """Return the schema as graphql-core has it: everybody's, or the one of administrators."""
    return build_schema(administrators=administrators)._schema


def fields(schema: GraphQLSchema) -> list[Field]:
    """Return every root field, and every other field that takes an id anywhere in its arguments."""
    found = []
    for type_ in schema.type_map.values():
        if not isinstance(type_, GraphQLObjectType) or type_.name.startswith("__"):
            continue
        for name, definition in type_.fields.items():
            paths = tuple(
                path for arg, each in definition.args.items() for path in _ids(each, (arg,), ())
            )
            if paths or type_.name in _ROOTS:
                found.append(Field(type_.name, name, definition, paths))
    return found


def _ids(
    given: GraphQLArgument | GraphQLInputField, path: tuple[str, ...], within: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    type_ = get_named_type(given.type)
    if type_.name == "ID":
        yield path
    elif is_input_object_type(type_) and type_.name not in within:
        for name, field in type_.fields.items():
            yield from _ids(field, (*path, name), (*within, type_.name))


def document(field: Field) -> str:
    """Return an operation of this root field alone, its arguments as variables of their names."""
    assert field.operation is not None
    args = field.definition.args
    declared = ", ".join(f"${name}: {each.type}" for name, each in args.items())
    given = ", ".join(f"{name}: ${name}" for name in args)
    head = f"({declared})" if args else ""
    call = f"{field.name}({given})" if args else field.name
    return f"{field.operation.value} Walk{head} {{ {call} {selection(field.definition)} }}"


def selection(definition: GraphQLField) -> str:
    """Return a selection that tells an answer from a refusal, of a payload all there is."""
    type_ = get_named_type(definition.type)
    if is_leaf_type(type_):
        return ""
    if not is_object_type(type_) or "errors" not in type_.fields:
        return "{ __typename }"
    parts = ["errors { code message path }"]
    for name, field in type_.fields.items():
        if name == "errors" or any(is_required_argument(each) for each in field.args.values()):
            continue
        parts.append(
            name if is_leaf_type(get_named_type(field.type)) else f"{name} {{ __typename }}"
        )
    return f"{{ {' '.join(parts)} }}"
