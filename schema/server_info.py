"""What a client may want to know of the server before anybody signs in."""

from enum import Enum

import strawberry

from realtime.presence import MAX_IDS
from resolvers import chats, messages, passwords, sign_up
from schema.connections import MAX_PAGE
from schema.context import Info


@strawberry.enum(description="Who may register.")
class SignUpPolicy(Enum):
    OPEN = strawberry.enum_value("open", description="Everybody.")
    INVITATION = strawberry.enum_value(
        "invitation", description="Whom an administrator has invited."
    )
    CLOSED = strawberry.enum_value("closed", description="Nobody.")


async def _sign_up_policy(info: Info) -> SignUpPolicy:
    return SignUpPolicy((await sign_up.policy(info.context.services)).value)


def _passwords_enabled(info: Info) -> bool:
    return info.context.services.rules.passwords


def _issuer(info: Info) -> str | None:
    return info.context.services.rules.issuer


@strawberry.type(description="What the server accepts at most.")
class Limits:
    text_length: int = strawberry.field(description="Characters of a message.")
    title_length: int = strawberry.field(description="Characters of a chat's title.")
    page_size: int = strawberry.field(description="Entries of a page.")
    members_added_at_once: int = strawberry.field(description="People added to a chat at once.")
    password_length: int = strawberry.field(description="Characters of a password.")
    presence_user_ids: int = strawberry.field(
        description="People of one subscription to `presence`."
    )


@strawberry.type(description="The server.")
class Server:
    name: str = strawberry.field(description="The software: Hubbub.")
    version: str = strawberry.field(description="Its version.")
    sign_up_policy: SignUpPolicy = strawberry.field(
        resolver=_sign_up_policy, description="Who may register."
    )
    passwords_enabled: bool = strawberry.field(
        resolver=_passwords_enabled,
        description="Whether passwords are taken at all; if not, people sign in at the `issuer`.",
    )
    issuer: str | None = strawberry.field(
        resolver=_issuer,
        description="The OpenID Connect issuer whose tokens are accepted beside the server's own: "
        "`/.well-known/openid-configuration` below this URL says how to sign in there.",
    )
    limits: Limits = strawberry.field(description="What it accepts at most.")


def server_info(version: str) -> Server:
    """Return what the server says of itself."""
    return Server(
        name="Hubbub",
        version=version,
        limits=Limits(
            text_length=messages.MAX_TEXT,
            title_length=chats.MAX_TITLE,
            page_size=MAX_PAGE,
            members_added_at_once=chats.MAX_ADDED_AT_ONCE,
            password_length=passwords.MAX_PASSWORD,
            presence_user_ids=MAX_IDS,
        ),
    )
