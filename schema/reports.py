"""Telling the administrators about somebody."""

from enum import Enum
from typing import Annotated

import strawberry

from models.reports import ReportReason as StoredReason
from resolvers import reports as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, decode_message


@strawberry.enum(description="What is wrong.")
class ReportReason(Enum):
    SPAM = strawberry.enum_value("spam", description="Unwanted advertising.")
    HARASSMENT = strawberry.enum_value("harassment", description="Threats, insults, stalking.")
    IMPERSONATION = strawberry.enum_value(
        "impersonation", description="They pass themselves off as somebody else."
    )
    ILLEGAL = strawberry.enum_value("illegal", description="Something against the law.")
    OTHER = strawberry.enum_value("other", description="Something else; the text says what.")


@strawberry.input(description="Somebody whom administrators should look at, and why.")
class ReportUserInput:
    user_id: strawberry.ID = strawberry.field(description="Who.")
    reason: ReportReason = strawberry.field(description="What is wrong.")
    text: str | None = strawberry.field(
        default=None, description="What happened, up to 1000 characters."
    )


@strawberry.type(description="The administrators will see it.")
class ReportUserPayload:
    errors: list[UserError] = errors_field()


_REPORT = strawberry.argument(description="Who, and why.")


@refusals_into(ReportUserPayload)
async def report_user(info: Info, input: Annotated[ReportUserInput, _REPORT]) -> ReportUserPayload:
    """Resolve `Mutation.reportUser`."""
    await use_cases.report(
        info.context.services,
        info.context.signed_in,
        user_id=decode(Kind.USER, input.user_id, path="userId"),
        reason=StoredReason[input.reason.name],
        text=input.text,
        client=info.context.client,
    )
    return ReportUserPayload()


@strawberry.input(description="A message that administrators should look at, and why.")
class ReportMessageInput:
    message_id: strawberry.ID = strawberry.field(description="Which.")
    reason: ReportReason = strawberry.field(description="What is wrong.")
    text: str | None = strawberry.field(
        default=None, description="What happened, up to 1000 characters."
    )


@strawberry.type(description="The administrators will see it.")
class ReportMessagePayload:
    errors: list[UserError] = errors_field()


@strawberry.input(description="A chat that administrators should look at, and why.")
class ReportChatInput:
    chat_id: strawberry.ID = strawberry.field(description="Which.")
    reason: ReportReason = strawberry.field(description="What is wrong.")
    text: str | None = strawberry.field(
        default=None, description="What happens there, up to 1000 characters."
    )


@strawberry.type(description="The administrators will see it.")
class ReportChatPayload:
    errors: list[UserError] = errors_field()


_MESSAGE_REPORT = strawberry.argument(description="Which message, and why.")
_CHAT_REPORT = strawberry.argument(description="Which chat, and why.")


@refusals_into(ReportMessagePayload)
async def report_message(
    info: Info, input: Annotated[ReportMessageInput, _MESSAGE_REPORT]
) -> ReportMessagePayload:
    """Resolve `Mutation.reportMessage`."""
    await use_cases.report_message(
        info.context.services,
        info.context.signed_in,
        key=decode_message(input.message_id, path="messageId"),
        reason=StoredReason[input.reason.name],
        text=input.text,
        client=info.context.client,
    )
    return ReportMessagePayload()


@refusals_into(ReportChatPayload)
async def report_chat(
    info: Info, input: Annotated[ReportChatInput, _CHAT_REPORT]
) -> ReportChatPayload:
    """Resolve `Mutation.reportChat`."""
    await use_cases.report_chat(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        reason=StoredReason[input.reason.name],
        text=input.text,
        client=info.context.client,
    )
    return ReportChatPayload()
