"""What a client may want to know of the server before anybody signs in."""

from enum import Enum

import strawberry

from models.bans import MAX_REASON
from models.messages import MAX_QUOTE
from models.pins import MAX_PINS
from models.reactions import MAX_KINDS
from models.reports import MAX_REPORT
from models.word_filters import MAX_PATTERN
from realtime.presence import MAX_IDS
from resolvers import (
    bans,
    blocks,
    bots,
    chat_details,
    chats,
    drafts,
    folders,
    forwarding,
    guests,
    incoming_webhooks,
    join_links,
    keeping,
    messages,
    passwords,
    polls,
    reactions,
    roles,
    scheduled,
    sign_up,
    webhooks,
    word_filters,
)
from resolvers.mentions import MAX_MENTIONS
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


def _group_members(info: Info) -> int:
    return info.context.services.chat_rules.max_group_members


def _channel_members(info: Info) -> int:
    return info.context.services.chat_rules.max_channel_members


@strawberry.type(description="What the server accepts at most.")
class Limits:
    text_length: int = strawberry.field(description="Characters of a message.")
    title_length: int = strawberry.field(description="Characters of a chat's title.")
    mentions: int = strawberry.field(description="Handles that a message may name.")
    page_size: int = strawberry.field(description="Entries of a page.")
    description_length: int = strawberry.field(description="Characters of a chat's description.")
    group_members: int = strawberry.field(
        resolver=_group_members, description="Members of a group."
    )
    channel_members: int = strawberry.field(
        resolver=_channel_members, description="Members of a channel."
    )
    message_ttl: int = strawberry.field(
        description="Seconds after which a chat's messages go, if they go."
    )
    slow_mode: int = strawberry.field(description="Seconds that members wait in slow mode.")
    reaction_set: int = strawberry.field(description="Reactions that a chat names.")
    pinned_chats: int = strawberry.field(description="Chats that a person pins.")
    folders: int = strawberry.field(description="A person's folders.")
    folder_chats: int = strawberry.field(description="Chats of a folder.")
    folder_name_length: int = strawberry.field(description="Characters of a folder's name.")
    chat_admins: int = strawberry.field(description="Admins of a chat, its owner aside.")
    chat_bans: int = strawberry.field(description="Bans of a chat.")
    ban_reason_length: int = strawberry.field(description="Characters of a ban's reason.")
    blocks: int = strawberry.field(description="People whom a person blocks.")
    report_text_length: int = strawberry.field(description="Characters of a report.")
    word_filters: int = strawberry.field(description="Word filters of a chat.")
    word_filter_patterns: int = strawberry.field(description="Patterns among them.")
    word_filter_length: int = strawberry.field(description="Characters of a word filter.")
    join_links: int = strawberry.field(description="Open links into a chat.")
    join_link_uses: int = strawberry.field(description="Uses of such a link.")
    join_requests: int = strawberry.field(description="Requests that wait to be let into a chat.")
    viewer_join_requests: int = strawberry.field(description="Those of one person.")
    guest_links: int = strawberry.field(description="Open links for guests into a chat.")
    guest_link_uses: int = strawberry.field(description="Uses of such a link.")
    pinned_messages: int = strawberry.field(description="Pinned messages of a chat.")
    forwarded_at_once: int = strawberry.field(description="Messages forwarded at once.")
    quote_length: int = strawberry.field(description="Characters of a quote.")
    reaction_length: int = strawberry.field(description="Characters of a reaction.")
    message_reactions: int = strawberry.field(description="Different reactions to a message.")
    bots: int = strawberry.field(description="Bots of one person.")
    bot_tokens: int = strawberry.field(description="Tokens of a bot.")
    chat_webhooks: int = strawberry.field(description="Webhooks of a chat.")
    chat_incoming_webhooks: int = strawberry.field(description="Incoming webhooks of a chat.")
    webhook_chats: int = strawberry.field(description="Chats of a webhook.")
    viewer_webhooks: int = strawberry.field(description="Webhooks that one person has made.")
    members_added_at_once: int = strawberry.field(description="People added to a chat at once.")
    poll_question_length: int = strawberry.field(description="Characters of a poll's question.")
    poll_options: int = strawberry.field(description="Answers of a poll.")
    poll_option_length: int = strawberry.field(description="Characters of a poll's answer.")
    scheduled_messages: int = strawberry.field(
        description="Messages of one person that wait for later."
    )
    drafts: int = strawberry.field(description="Drafts of one person.")
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
            title_length=chat_details.MAX_TITLE,
            description_length=chat_details.MAX_DESCRIPTION,
            message_ttl=chat_details.MAX_MESSAGE_TTL,
            slow_mode=chat_details.MAX_SLOW_MODE,
            reaction_set=chat_details.MAX_REACTION_SET,
            pinned_chats=keeping.MAX_PINNED,
            folders=folders.MAX_FOLDERS,
            folder_chats=folders.MAX_CHATS,
            folder_name_length=folders.MAX_NAME,
            chat_admins=roles.MAX_ADMINS,
            chat_bans=bans.MAX_BANS,
            ban_reason_length=MAX_REASON,
            blocks=blocks.MAX_BLOCKS,
            report_text_length=MAX_REPORT,
            word_filters=word_filters.MAX_FILTERS,
            word_filter_patterns=word_filters.MAX_PATTERNS,
            word_filter_length=MAX_PATTERN,
            join_links=join_links.MAX_LINKS,
            join_link_uses=join_links.MAX_USES,
            join_requests=join_links.MAX_PENDING,
            viewer_join_requests=join_links.MAX_ASKED,
            guest_links=guests.MAX_LINKS,
            guest_link_uses=guests.MAX_USES,
            pinned_messages=MAX_PINS,
            forwarded_at_once=forwarding.MAX_FORWARDED,
            quote_length=MAX_QUOTE,
            reaction_length=reactions.MAX_EMOJI,
            message_reactions=MAX_KINDS,
            bots=bots.MAX_BOTS,
            bot_tokens=bots.MAX_TOKENS,
            chat_webhooks=webhooks.MAX_OF_CHAT,
            chat_incoming_webhooks=incoming_webhooks.MAX_OF_CHAT,
            webhook_chats=webhooks.MAX_CHATS,
            viewer_webhooks=webhooks.MAX_OF_PERSON,
            mentions=MAX_MENTIONS,
            page_size=MAX_PAGE,
            members_added_at_once=chats.MAX_ADDED_AT_ONCE,
            poll_question_length=polls.MAX_QUESTION,
            poll_options=polls.MAX_OPTIONS,
            poll_option_length=polls.MAX_OPTION,
            scheduled_messages=scheduled.MAX_SCHEDULED,
            drafts=drafts.MAX_DRAFTS,
            password_length=passwords.MAX_PASSWORD,
            presence_user_ids=MAX_IDS,
        ),
    )
