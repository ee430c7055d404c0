"""Polls as a message shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from models import messages, polls
from models.messages import MessageKey
from resolvers import polls as use_cases
from resolvers.services import utc_now
from schema.batching import batched
from schema.connections import (
    After,
    First,
    Page,
    connection,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page_size,
)
from schema.context import Info
from schema.moments import moment
from schema.users import UserConnection, users_by_ids

SHOWN_VOTERS = 20  # unless more are asked for


async def _voters(
    objects: Sequence["PollOption"], info: Info, first: First = SHOWN_VOTERS, after: After = None
) -> list[UserConnection | None]:
    shown = Page(page_size(first, default=SHOWN_VOTERS), backwards=False)
    place = _place(after)
    viewer = info.context.signed_in
    async with info.context.db.reading() as db:
        # Once more: whoever was shown the poll by an event may have left the chat since.
        readable = await messages.readable_by_keys(
            db, viewer.user_id, {each.key for each in objects if not each.anonymous}
        )
        rows = await polls.voters(
            db,
            [each.answer for each in objects if not each.anonymous and each.key in readable],
            after=place,
            limit=shown.fetch,
        )
    people = [vote.user_id for votes in rows.values() for vote in votes]
    found = await users_by_ids(info.context, people)
    by_id = dict(zip(people, found, strict=True))
    return [
        None
        if each.anonymous
        else connection(
            UserConnection,
            rows.get(each.answer, ()),
            shown,
            node=lambda vote: by_id[vote.user_id],
            cursor=lambda vote: encode_cursor(vote.id.hex),
            bounded_after=after is not None,
        )
        for each in objects
    ]


def _place(after: str | None) -> UUID | None:
    if after is None:
        return None
    (hex_id,) = decode_cursor(after, parts=1, path="after")
    try:
        return UUID(hex=hex_id)
    except ValueError as error:
        raise invalid_cursor("after") from error


@strawberry.type(description="An answer that a poll offers.")
class PollOption:
    index: int = strawberry.field(description="Its place among the answers, from 0: vote with it.")
    text: str = strawberry.field(description="What it says.")
    vote_count: int = strawberry.field(description="How many people have chosen it.")
    voters: UserConnection | None = batched(
        _voters,
        description="Who has chosen it, the first one first; null of an anonymous poll, of which "
        "nobody is told.",
    )
    key: strawberry.Private[MessageKey]
    anonymous: strawberry.Private[bool]

    @property
    def answer(self) -> polls.Answer:
        """Which one it is, for look-ups."""
        return (*self.key, self.index)


async def _viewer_votes(objects: Sequence["Poll"], info: Info) -> list[list[int]]:
    async with info.context.db.reading() as db:
        found = await polls.of_user(
            db, info.context.signed_in.user_id, [poll.key for poll in objects]
        )
    return [found[poll.key] for poll in objects]


@strawberry.type(description="A question with answers to choose from.")
class Poll:
    question: str = strawberry.field(description="What is asked: the text of the message.")
    options: list[PollOption] = strawberry.field(description="The answers, in their order.")
    multiple: bool = strawberry.field(description="Whether one person may choose several.")
    anonymous: bool = strawberry.field(
        description="Whether nobody is told who has chosen what; counts are told of every poll."
    )
    total_voters: int = strawberry.field(description="How many people have voted.")
    closed: bool = strawberry.field(description="Whether nobody can vote any more.")
    closes_at: datetime | None = strawberry.field(
        description="When it closes by itself, unless it is closed before; null for never."
    )
    viewer_votes: list[int] = batched(
        _viewer_votes, description="The indexes of the answers that the viewer has chosen."
    )
    key: strawberry.Private[MessageKey]

    @classmethod
    def of(cls, row: messages.Message, tally: polls.Tally) -> Self | None:
        """Return the poll that a message is, None if it is none or was deleted."""
        asks = polls.definition(row)
        if asks is None:
            return None
        key = row.chat_id, row.seq
        return cls(
            question=row.text,
            options=[
                PollOption(
                    index=index,
                    text=text,
                    vote_count=tally.of(index),
                    key=key,
                    anonymous=asks.anonymous,
                )
                for index, text in enumerate(asks.options)
            ],
            multiple=asks.multiple,
            anonymous=asks.anonymous,
            total_voters=tally.voters,
            closed=asks.closed(tally, utc_now()),
            closes_at=asks.closes_at,
            key=key,
        )


@strawberry.input(description="A question with answers to choose from.")
class PollInput:
    question: str = strawberry.field(
        description=f"What is asked: 1 to {use_cases.MAX_QUESTION} characters, not only space. It "
        "becomes the text of the message."
    )
    options: list[str] = strawberry.field(
        description=f"The answers: {use_cases.FEWEST_OPTIONS} to {use_cases.MAX_OPTIONS} different "
        f"ones, each a line of 1 to {use_cases.MAX_OPTION} characters."
    )
    multiple: bool = strawberry.field(
        default=False, description="Whether one person may choose several."
    )
    anonymous: bool = strawberry.field(
        default=False, description="Whether nobody is told who has chosen what."
    )
    closes_at: datetime | None = strawberry.field(
        default=None,
        description="When it closes by itself, with a time zone: in the future, "
        f"{use_cases.CLOSES_WITHIN.days} days ahead at most. Absent: when somebody closes it.",
    )


def asked(poll: PollInput) -> use_cases.Asked:
    """Return a poll as somebody wants to send it; raises `InvalidInput`."""
    return use_cases.Asked(
        question=poll.question,
        options=poll.options,
        multiple=poll.multiple,
        anonymous=poll.anonymous,
        closes_at=moment(poll.closes_at, path="closesAt", within=["poll"]),
    )
