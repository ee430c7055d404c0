"""Reactions as a message shows them."""

from typing import Self

import strawberry

from models import reactions


@strawberry.type(description="People who reacted to a message in the same way.")
class ReactionGroup:
    emoji: str = strawberry.field(description="How.")
    count: int = strawberry.field(description="How many people.")

    @classmethod
    def of(cls, row: reactions.ReactionGroup) -> Self:
        """Return a group as the schema shows it."""
        return cls(emoji=row.emoji, count=row.count)
