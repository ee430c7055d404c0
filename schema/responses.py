"""Responses as GraphQL §7.1 has them, of what graphql-core has executed."""

from typing import Any

from graphql import ExecutionResult, GraphQLError

from schema.errors import formatted


def as_graphql(error: Exception) -> GraphQLError:
    """Return any error as one of GraphQL's."""
    if isinstance(error, GraphQLError):
        return error
    return GraphQLError(str(error), original_error=error)


def began(result: ExecutionResult) -> bool:
    """Whether execution began; what fails before it has no path into the response."""
    return result.data is not None or any(error.path is not None for error in result.errors or [])


def response(result: ExecutionResult) -> dict[str, Any]:
    """Return a response; `data` is absent when nothing was executed."""
    told: dict[str, Any] = {}
    if began(result):
        told["data"] = result.data
    if result.errors:
        told["errors"] = [formatted(error) for error in result.errors]
    if result.extensions:
        told["extensions"] = result.extensions
    return told
