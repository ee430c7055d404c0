"""Sessions, and the mutations that open, renew and end them."""

from datetime import datetime
from typing import Annotated, Self, TypeVar

import strawberry

from models import sessions
from resolvers import accounts
from resolvers import sessions as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, encode
from schema.users import User


@strawberry.type(description="One sign-in on one device.")
class Session:
    id: strawberry.ID = strawberry.field(description="Opaque and stable.")
    device_name: str = strawberry.field(description="What the client called the device.")
    created_at: datetime = strawberry.field(description="When it was opened.")
    last_seen_at: datetime = strawberry.field(description="When it was last opened or refreshed.")
    expires_at: datetime = strawberry.field(
        description="When it ends unless it is refreshed before."
    )
    user: User = strawberry.field(description="Who is signed in.")

    @classmethod
    def of(cls, row: sessions.Session, user: User) -> Self:
        """Return a session as its owner sees it."""
        return cls(
            id=strawberry.ID(encode(Kind.SESSION, row.id)),
            device_name=row.device_name,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            user=user,
        )


@strawberry.type(description="A fresh session's tokens, or why there is none.")
class AuthPayload:
    session: Session | None = strawberry.field(default=None, description="The session.")
    access_token: str | None = strawberry.field(
        default=None,
        description="For the `authorization` header and `connectionInit`, after `Bearer `.",
    )
    refresh_token: str | None = strawberry.field(
        default=None,
        description="For `refreshSession`, once. Keep it safe: it opens the session for weeks.",
    )
    expires_in: int | None = strawberry.field(
        default=None, description="For how many seconds the access token is good."
    )
    errors: list[UserError] = errors_field()


# A type of its own: it will also answer with a two-factor challenge instead of a session.
@strawberry.type(description="A session, or why there is none.")
class LogInPayload(AuthPayload):
    pass


Payload = TypeVar("Payload", bound=AuthPayload)


@strawberry.type(description="The session has ended.")
class LogOutPayload:
    errors: list[UserError] = errors_field()


@strawberry.input(description="A new person.")
class RegisterInput:
    handle: str = strawberry.field(
        description="3 to 32 characters a–z, 0–9, _, a letter first; case does not matter."
    )
    password: str = strawberry.field(
        description="At least 8 characters, any kind, and none that is guessed first."
    )
    display_name: str = strawberry.field(description="The name to show, up to 64 characters.")
    email: str | None = strawberry.field(
        default=None, description="Seen by nobody else. A code is mailed there, for `verifyEmail`."
    )
    device_name: str | None = strawberry.field(
        default=None, description="For the list of sessions, such as “Ana's phone”."
    )


@strawberry.input(description="Credentials.")
class LogInInput:
    handle: str = strawberry.field(
        description="The person's handle, or the e-mail address that they have verified."
    )
    password: str = strawberry.field(description="The person's password.")
    device_name: str | None = strawberry.field(
        default=None, description="For the list of sessions, such as “Ana's phone”."
    )


@strawberry.input(description="A refresh token to swap.")
class RefreshSessionInput:
    refresh_token: str = strawberry.field(description="The last one received.")


def _payload(payload: type[Payload], signed_in: use_cases.SignedIn) -> Payload:
    return payload(
        session=Session.of(signed_in.session, User.of(signed_in.user)),
        access_token=signed_in.access_token,
        refresh_token=signed_in.refresh_token,
        expires_in=int(signed_in.expires_in.total_seconds()),
    )


_REGISTRATION = strawberry.argument(description="The new person.")
_CREDENTIALS = strawberry.argument(description="The credentials.")
_REFRESH = strawberry.argument(description="The token.")


@refusals_into(AuthPayload)
async def register(info: Info, input: Annotated[RegisterInput, _REGISTRATION]) -> AuthPayload:
    """Resolve `Mutation.register`."""
    signed_in = await accounts.register(
        info.context.services,
        handle=input.handle,
        password=input.password,
        display_name=input.display_name,
        email=input.email,
        device_name=input.device_name,
        client=info.context.client,
    )
    return _payload(AuthPayload, signed_in)


@refusals_into(LogInPayload)
async def log_in(info: Info, input: Annotated[LogInInput, _CREDENTIALS]) -> LogInPayload:
    """Resolve `Mutation.logIn`."""
    signed_in = await accounts.log_in(
        info.context.services,
        handle=input.handle,
        password=input.password,
        device_name=input.device_name,
        client=info.context.client,
    )
    return _payload(LogInPayload, signed_in)


@refusals_into(AuthPayload, unauthenticated=True)
async def refresh_session(
    info: Info, input: Annotated[RefreshSessionInput, _REFRESH]
) -> AuthPayload:
    """Resolve `Mutation.refreshSession`."""
    signed_in = await use_cases.refresh(
        info.context.services, refresh_token=input.refresh_token, client=info.context.client
    )
    return _payload(AuthPayload, signed_in)


@refusals_into(LogOutPayload)
async def log_out(info: Info) -> LogOutPayload:
    """Resolve `Mutation.logOut`."""
    await use_cases.log_out(info.context.services, info.context.signed_in, info.context.client)
    return LogOutPayload()
