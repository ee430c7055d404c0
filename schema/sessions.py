"""Sessions, and the mutations that open, renew and end them."""

from datetime import datetime
from typing import Annotated, Self, TypeVar
from uuid import UUID

import strawberry

from models import sessions
from models.errors import Unauthenticated
from resolvers import accounts
from resolvers import sessions as use_cases
from resolvers.log_in_challenges import Challenge
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, encode
from schema.second_factors import LogInChallenge
from schema.users import User


def _is_current(root: "Session", info: Info) -> bool:
    return root.just_opened or root.key == info.context.signed_in.session_id


@strawberry.type(description="One sign-in on one device.")
class Session:
    id: strawberry.ID = strawberry.field(description="Opaque and stable.")
    device_name: str = strawberry.field(description="What the client called the device.")
    created_at: datetime = strawberry.field(description="When it was opened.")
    last_seen_at: datetime = strawberry.field(
        description="When it was last used, give or take some minutes."
    )
    expires_at: datetime = strawberry.field(
        description="When it ends unless it is refreshed before."
    )
    address: str | None = strawberry.field(
        description="The network that it was opened from, such as `192.0.2.0/24`: a place, roughly."
    )
    user_agent: str | None = strawberry.field(
        description="What the program that opened it calls itself."
    )
    user: User = strawberry.field(description="Who is signed in.")
    current: bool = strawberry.field(
        resolver=_is_current, description="Whether it is the session that asks, or was just opened."
    )
    key: strawberry.Private[UUID]
    just_opened: strawberry.Private[bool] = False

    @classmethod
    def of(cls, row: sessions.Session, user: User, *, just_opened: bool = False) -> Self:
        """Return a session as its owner sees it."""
        return cls(
            id=strawberry.ID(encode(Kind.SESSION, row.id)),
            device_name=row.device_name,
            created_at=row.created_at,
            last_seen_at=row.last_seen_at,
            expires_at=row.expires_at,
            address=row.address,
            user_agent=row.user_agent,
            user=user,
            key=row.id,
            just_opened=just_opened,
        )


@strawberry.type(description="A fresh session's tokens, or why there is none.")
class AuthPayload:
    session: Session | None = strawberry.field(default=None, description="The session.")
    access_token: str | None = strawberry.field(
        default=None,
        description="For the `authorization` header and `connectionInit`, after `Bearer `; null if "
        "it is kept in a cookie.",
    )
    refresh_token: str | None = strawberry.field(
        default=None,
        description="For `refreshSession`, once. Keep it safe: it opens the session for weeks; "
        "null if it is kept in a cookie.",
    )
    expires_in: int | None = strawberry.field(
        default=None, description="For how many seconds the access token is good."
    )
    errors: list[UserError] = errors_field()


@strawberry.type(
    description="A session; or a challenge, if the account has a second factor; or why neither."
)
class LogInPayload(AuthPayload):
    challenge: LogInChallenge | None = strawberry.field(
        default=None, description="What is asked for beside the password, for `completeLogIn`."
    )


Payload = TypeVar("Payload", bound=AuthPayload)


@strawberry.type(description="The session has ended.")
class LogOutPayload:
    errors: list[UserError] = errors_field()


@strawberry.type(description="The session has ended, and its sockets are closed.")
class RevokeSessionPayload:
    session_id: strawberry.ID | None = strawberry.field(default=None, description="Which one.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="All sessions but this one have ended.")
class RevokeOtherSessionsPayload:
    session_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Those that have ended now."
    )
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
    invitation: str | None = strawberry.field(
        default=None,
        description="An administrator's invitation, where one is needed: see "
        "`Server.signUpPolicy`.",
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
    refresh_token: str | None = strawberry.field(
        default=None,
        description="The last one received; null for the one that is kept in a cookie.",
    )


@strawberry.input(description="A session to end.")
class RevokeSessionInput:
    session_id: strawberry.ID = strawberry.field(description="One of `Viewer.sessions`.")


def payload_of(payload: type[Payload], signed_in: use_cases.SignedIn) -> Payload:
    """Return a payload with a session and its tokens."""
    return payload(
        session=Session.of(signed_in.session, User.of(signed_in.user), just_opened=True),
        access_token=signed_in.access_token,
        refresh_token=signed_in.refresh_token,
        expires_in=int(signed_in.expires_in.total_seconds()),
    )


_REGISTRATION = strawberry.argument(description="The new person.")
_CREDENTIALS = strawberry.argument(description="The credentials.")
_REFRESH = strawberry.argument(description="The token.")
_SESSION = strawberry.argument(description="The session.")


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
        invitation=input.invitation,
        client=info.context.client,
    )
    return payload_of(AuthPayload, signed_in)


@refusals_into(LogInPayload)
async def log_in(info: Info, input: Annotated[LogInInput, _CREDENTIALS]) -> LogInPayload:
    """Resolve `Mutation.logIn`."""
    outcome = await accounts.log_in(
        info.context.services,
        handle=input.handle,
        password=input.password,
        device_name=input.device_name,
        client=info.context.client,
    )
    if isinstance(outcome, Challenge):
        return LogInPayload(challenge=LogInChallenge.of(outcome))
    return payload_of(LogInPayload, outcome)


@refusals_into(AuthPayload, unauthenticated=True)
async def refresh_session(
    info: Info, input: Annotated[RefreshSessionInput, _REFRESH]
) -> AuthPayload:
    """Resolve `Mutation.refreshSession`."""
    context = info.context
    token = context.kept_refresh_token if input.refresh_token is None else input.refresh_token
    try:
        signed_in = await use_cases.refresh(
            context.services, refresh_token=token, client=context.client
        )
    except Unauthenticated:
        if input.refresh_token is None:
            context.session_over()
        raise
    return payload_of(AuthPayload, signed_in)


@refusals_into(LogOutPayload)
async def log_out(info: Info) -> LogOutPayload:
    """Resolve `Mutation.logOut`."""
    await use_cases.log_out(info.context.services, info.context.signed_in, info.context.client)
    info.context.session_over()
    return LogOutPayload()


@refusals_into(RevokeSessionPayload)
async def revoke_session(
    info: Info, input: Annotated[RevokeSessionInput, _SESSION]
) -> RevokeSessionPayload:
    """Resolve `Mutation.revokeSession`."""
    viewer, session_id = (
        info.context.signed_in,
        decode(Kind.SESSION, input.session_id, path="sessionId"),
    )
    await use_cases.revoke(info.context.services, viewer, session_id, info.context.client)
    if session_id == viewer.session_id:
        info.context.session_over()
    return RevokeSessionPayload(session_id=input.session_id)


@refusals_into(RevokeOtherSessionsPayload)
async def revoke_other_sessions(info: Info) -> RevokeOtherSessionsPayload:
    """Resolve `Mutation.revokeOtherSessions`."""
    context = info.context
    ended = await use_cases.revoke_others(context.services, context.signed_in, context.client)
    ids = [strawberry.ID(encode(Kind.SESSION, session_id)) for session_id in ended]
    return RevokeOtherSessionsPayload(session_ids=ids)
