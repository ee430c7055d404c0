"""Tokens that a transport keeps for its client, who never sees them: see `server/cookies.py`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphql import GraphQLObjectType, GraphQLSchema, get_named_type

from models.errors import InvalidInput, Refusal


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a session's client gets."""

    session_id: UUID
    access: str
    refresh: str


@dataclass(slots=True)
class Jar:
    """What the transport of one request keeps.

    `takes_tokens`: those of a session that is opened or renewed go here, not into the answer.
    `kept`: the refresh token that it has, or why it is not believed.
    """

    takes_tokens: bool
    kept: str | Refusal | None = None
    taken: Tokens | None = None
    ended: bool = False  # the session of the request is over

    @property
    def refresh_token(self) -> str:
        """The refresh token that is kept; raises a refusal if there is none."""
        if isinstance(self.kept, Refusal):
            raise self.kept
        if self.kept is None:
            raise InvalidInput("Give the refresh token.", path=["refreshToken"])
        return self.kept


def keep_tokens(schema: GraphQLSchema) -> None:
    """Have whatever mutation answers with tokens put them into the jar, if it takes them."""
    mutations = schema.mutation_type
    for field in (mutations.fields if mutations else {}).values():
        payload = get_named_type(field.type)
        if isinstance(payload, GraphQLObjectType) and "refreshToken" in payload.fields:
            if field.resolve is None:
                raise RuntimeError("a mutation without a resolver")
            field.resolve = _keeping(field.resolve)


def _keeping(resolve: Callable[..., Any]) -> Callable[..., Any]:
    async def keeping(source: Any, info: Any, **arguments: Any) -> Any:
        payload = resolve(source, info, **arguments)
        if isinstance(payload, Awaitable):
            payload = await payload
        jar: Jar | None = info.context.jar
        if jar is not None and jar.takes_tokens and payload.refresh_token is not None:
            jar.taken = Tokens(payload.session.key, payload.access_token, payload.refresh_token)
            payload.access_token = payload.refresh_token = None
        return payload

    return keeping
