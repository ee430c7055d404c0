"""The UUID scalar."""

from uuid import UUID

import strawberry
from graphql import GraphQLError


def _parsed(value: object) -> UUID:
    # Strawberry's own adds what Python says about it.
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise GraphQLError("Expected a UUID.")


SCALAR = strawberry.scalar(
    name="UUID",
    description="A UUID, such as crypto.randomUUID() makes.",
    serialize=str,
    parse_value=_parsed,
)
