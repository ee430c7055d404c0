"""Refusals and failures as clients see them.

Refusals of a mutation are `UserError`s in its payload. Top-level `errors` are for authentication,
malformed requests and bugs; each has `extensions.code`, and a bug shows nothing but a reference to
the log.
"""

import functools
import secrets
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, ParamSpec, TypeVar, cast

import strawberry
import structlog
from graphql import GraphQLError, GraphQLSyntaxError

from models.errors import (
    RateLimited,
    Refusal,
    TooLong,
    Unauthenticated,
)
from schema.context import Info

log = structlog.get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


@strawberry.enum(description="Why something was refused; stable, for programs.")
class ErrorCode(Enum):
    INVALID_INPUT = strawberry.enum_value(
        "INVALID_INPUT", description="An input breaks a rule; `path` says which, the message how."
    )
    INVALID_ID = strawberry.enum_value(
        "INVALID_ID", description="An id is malformed, or of another kind than expected."
    )
    TOO_LONG = strawberry.enum_value("TOO_LONG", description="A text is longer than allowed.")
    BAD_CREDENTIALS = strawberry.enum_value(
        "BAD_CREDENTIALS", description="Handle and password do not go together."
    )
    ACCOUNT_SUSPENDED = strawberry.enum_value(
        "ACCOUNT_SUSPENDED",
        description="The password is right, but an administrator keeps the account out.",
    )
    SIGN_UP_CLOSED = strawberry.enum_value(
        "SIGN_UP_CLOSED", description="Nobody can register on this server."
    )
    INVITATION_REQUIRED = strawberry.enum_value(
        "INVITATION_REQUIRED",
        description="It takes an invitation to register, and this one is not, or no longer, good.",
    )
    INVALID_TOKEN = strawberry.enum_value(
        "INVALID_TOKEN",
        description="A mailed code was used before, is too old, or was never issued.",
    )
    UNAUTHENTICATED = strawberry.enum_value(
        "UNAUTHENTICATED", description="The refresh token is not, or no longer, good: log in."
    )
    CSRF_TOKEN_REQUIRED = strawberry.enum_value(
        "CSRF_TOKEN_REQUIRED",
        description="Cookies alone do not renew a session: send the CSRF token as well.",
    )
    HANDLE_TAKEN = strawberry.enum_value(
        "HANDLE_TAKEN", description="Somebody has this handle already."
    )
    NOT_FOUND = strawberry.enum_value(
        "NOT_FOUND", description="It does not exist, or is not for the viewer to see."
    )
    FORBIDDEN = strawberry.enum_value(
        "FORBIDDEN", description="The viewer sees it, but may not do that to it."
    )
    CONFLICT = strawberry.enum_value(
        "CONFLICT", description="It contradicts what is stored, such as a reused client id."
    )
    FILTERED = strawberry.enum_value(
        "FILTERED", description="A word filter of the chat or the server refuses the text."
    )
    CHAT_FULL = strawberry.enum_value(
        "CHAT_FULL", description="The chat has as many members as it may have."
    )
    BAD_FACTOR = strawberry.enum_value(
        "BAD_FACTOR", description="The code or passkey is wrong, or was used before."
    )
    SECOND_FACTOR_REQUIRED = strawberry.enum_value(
        "SECOND_FACTOR_REQUIRED",
        description="The account has a second factor, and the password alone is not enough.",
    )
    CHALLENGE_OVER = strawberry.enum_value(
        "CHALLENGE_OVER",
        description="The challenge was met, has expired, or was tried too often: begin anew.",
    )
    RATE_LIMITED = strawberry.enum_value(
        "RATE_LIMITED", description="Too often; `retryAfter` says when it may be tried again."
    )
    OVERLOADED = strawberry.enum_value(
        "OVERLOADED", description="The server is busy; the same request may succeed in a moment."
    )


@strawberry.interface(description="Why a mutation did nothing.")
class UserError:
    message: str = strawberry.field(description="A sentence for people, in English.")
    code: ErrorCode = strawberry.field(description="The same for programs.")
    path: list[str] = strawberry.field(
        description="The input field that is at fault, from `input` inwards; empty if none is."
    )


@strawberry.type(description="A refusal that its code and path say everything about.")
class RequestError(UserError):
    pass


@strawberry.type(description="A text is too long.")
class TooLongError(UserError):
    actual: int = strawberry.field(description="How many characters it has.")
    maximum: int = strawberry.field(description="How many it may have.")


@strawberry.type(description="It was tried too often.")
class RateLimitedError(UserError):
    retry_after: int = strawberry.field(description="In how many seconds it may be tried again.")


# Types that only an interface leads to; a schema must be told about them.
USER_ERROR_TYPES: list[type[UserError]] = [RequestError, TooLongError, RateLimitedError]


def errors_field() -> list[UserError]:
    """Return the field that every payload ends with."""
    field: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was done; empty on success."
    )
    return field


def user_error(refusal: Refusal) -> UserError:
    """Return a refusal as the schema shows it."""
    code, path = ErrorCode(refusal.code), list(refusal.path)
    if isinstance(refusal, TooLong):
        return TooLongError(
            message=refusal.message,
            code=code,
            path=path,
            actual=refusal.actual,
            maximum=refusal.maximum,
        )
    if isinstance(refusal, RateLimited):
        return RateLimitedError(
            message=refusal.message, code=code, path=path, retry_after=refusal.retry_after
        )
    return RequestError(message=refusal.message, code=code, path=path)


def refusals_into(
    payload: type[R], *, unauthenticated: bool = False
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Turn refusals of a mutation into its payload's `errors`.

    Being signed out is a top-level error, except for mutations that sign in (`unauthenticated`).
    """

    def decorate(mutation: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @functools.wraps(mutation)
        async def refusing(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return await mutation(*args, **kwargs)
            except Refusal as refusal:
                if isinstance(refusal, Unauthenticated) and not unauthenticated:
                    raise
                if isinstance(refusal, RateLimited):
                    cast("Info", kwargs["info"]).context.must_wait(refusal.retry_after)
                log.info("mutation_refused", mutation=mutation.__name__, code=refusal.code)
                return payload(errors=[user_error(refusal)])  # type: ignore[call-arg]

        return refusing

    return decorate


def formatted(error: GraphQLError) -> dict[str, Any]:
    """Return a top-level error as clients get it, and log what must not be shown."""
    original = error.original_error
    shown = error.formatted
    if isinstance(original, Refusal):
        extensions: dict[str, Any] = {"code": original.code}
        if isinstance(original, RateLimited):
            extensions["retryAfter"] = original.retry_after
        if original.path:
            extensions["inputPath"] = list(original.path)
        log.info("operation_refused", code=original.code)
        return {**shown, "message": original.message, "extensions": extensions}
    # An exception behind an error is ours, except one from a scalar that refused a value: that
    # error points into the document and, since nothing was executed yet, has no path.
    refused_value = error.path is None and error.nodes is not None
    if original is None or isinstance(original, GraphQLError) or refused_value:
        code = "GRAPHQL_PARSE_FAILED" if isinstance(error, GraphQLSyntaxError) else "BAD_REQUEST"
        log.info("operation_refused", code=code)
        return {**shown, "extensions": {"code": code, **(error.extensions or {})}}
    return {
        **{key: value for key, value in shown.items() if key in ("path", "locations")},
        **internal_error(original),
    }


def internal_error(exception: BaseException) -> dict[str, Any]:
    """Log a bug under a fresh reference and return the error that stands for it."""
    reference = secrets.token_hex(6)
    log.error("internal_error", reference=reference, exc_info=exception)
    return {
        "message": f"Internal error; the server's log has it under {reference}.",
        "extensions": {"code": "INTERNAL", "reference": reference},
    }
