"""What can be said of a chat: within which limits, and by whose permission."""

from typing import TypedDict

from models.chats import ChatKind, HistoryVisibility
from models.errors import InvalidInput
from resolvers.permissions import Act
from resolvers.reactions import checked_emoji
from resolvers.text import checked, line

MAX_TITLE = 128
MAX_DESCRIPTION = 1024
MIN_MESSAGE_TTL = 5  # seconds; the worker that deletes comes every few
MAX_MESSAGE_TTL = 366 * 24 * 3600
MAX_SLOW_MODE = 6 * 3600  # seconds
MAX_REACTION_SET = 50  # as many kinds as a message takes


class Details(TypedDict, total=False):
    """What of a chat is to be another: what is absent stays, None takes away."""

    title: str | None
    description: str | None
    history: HistoryVisibility
    message_ttl: int | None
    slow_mode: int | None
    reaction_set: list[str] | None


_ACTS = {
    "title": Act.CHANGE_DETAILS,
    "description": Act.CHANGE_DETAILS,
    "history": Act.CHANGE_SETTINGS,
    "message_ttl": Act.CHANGE_SETTINGS,
    "slow_mode": Act.MODERATE,
    "reaction_set": Act.CHANGE_SETTINGS,
}
# Where people come and go.
_OPEN_KINDS = frozenset({ChatKind.GROUP, ChatKind.CHANNEL})
_OF_OPEN_KINDS = {"history": "historyVisibility", "reaction_set": "reactionSet"}


def acts_for(details: Details) -> list[Act]:
    """Return what somebody must be allowed who changes these details; at least one thing."""
    return sorted({_ACTS[name] for name in details}) or [Act.CHANGE_SETTINGS]


def checked_details(kind: ChatKind, details: Details) -> Details:
    """Return the details as they are stored; raises `InvalidInput` or `TooLong`."""
    for name, field in _OF_OPEN_KINDS.items():
        if name in details and kind not in _OPEN_KINDS:
            raise InvalidInput("Only groups and channels have that.", path=[field])
    result = details.copy()
    if "title" in details:
        result["title"] = _title(details["title"])
    if "description" in details:
        result["description"] = _description(details["description"])
    if "message_ttl" in details:
        _check_seconds(details["message_ttl"], MIN_MESSAGE_TTL, MAX_MESSAGE_TTL, path="messageTtl")
    if "slow_mode" in details:
        _check_seconds(details["slow_mode"], 1, MAX_SLOW_MODE, path="slowMode")
    if "reaction_set" in details:
        result["reaction_set"] = _reaction_set(details["reaction_set"])
    return result


def _title(title: str | None) -> str:
    if title is None:
        raise InvalidInput("A group or a channel needs a title.", path=["title"])
    return line(title, what="The title", maximum=MAX_TITLE, path=["title"])


def _description(description: str | None) -> str | None:
    if description is None:
        return None
    return checked(
        description,
        what="The description",
        maximum=MAX_DESCRIPTION,
        path=["description"],
        empty_ok=True,
    )


def _check_seconds(seconds: int | None, minimum: int, maximum: int, *, path: str) -> None:
    if seconds is not None and not minimum <= seconds <= maximum:
        raise InvalidInput(
            f"{path} is from {minimum} to {maximum} seconds, or null for none.", path=[path]
        )


def _reaction_set(emoji: list[str] | None) -> list[str] | None:
    if emoji is None:
        return None
    if len(emoji) > MAX_REACTION_SET:
        raise InvalidInput(
            f"A chat names at most {MAX_REACTION_SET} reactions.", path=["reactionSet"]
        )
    return list(dict.fromkeys(checked_emoji(each, path="reactionSet") for each in emoji))
