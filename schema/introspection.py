"""Asking the server for its schema: what that costs, and how it is refused."""

import math
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    ValidationRule,
    is_abstract_type,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
)

# Around a type, as in `[ID!]!`: what is asked for within more `ofType` than that is null.
WRAPPERS = 3


class NoIntrospection(ValidationRule):
    """Refuses `__schema` and `__type`; `__typename` tells nothing that the document does not."""

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        if node.name.value in ("__schema", "__type"):
            self.report_error(
                GraphQLError(
                    f"This server does not tell its schema, so there is no {node.name.value}.",
                    node,
                    extensions={"code": "INTROSPECTION_DISABLED"},
                )
            )


def list_lengths(schema: GraphQLSchema) -> dict[str, int]:
    """Return how long the lists are in which a schema describes itself, averaged over all types."""
    types = list(schema.type_map.values())
    fields = [t.fields for t in types if is_object_type(t) or is_interface_type(t)]
    totals = {
        "__Type.fields": sum(len(each) for each in fields),
        "__Type.inputFields": sum(len(t.fields) for t in types if is_input_object_type(t)),
        "__Type.enumValues": sum(len(t.values) for t in types if is_enum_type(t)),
        "__Type.possibleTypes": sum(
            len(schema.get_possible_types(t)) for t in types if is_abstract_type(t)
        ),
    }
    return {
        "__Schema.types": len(types),
        "__Schema.directives": len(schema.directives),
        **{name: math.ceil(total / len(types)) for name, total in totals.items()},
    }
