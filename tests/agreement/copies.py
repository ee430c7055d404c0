"""A chat as a device keeps it, and what events do to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.agreement import observing
from tests.agreement.observing import DETAILS, KEPT
from tests.agreement.views import View


@dataclass
class Copy:
    """A chat during one stay of the person in it."""

    own: str  # the stay
    active: str
    details: View
    members: dict[str, View]
    messages: dict[int, View]
    kept: View
    draft: str | None
    pins: list[int]
    seqs: dict[str, int]  # of messages, by their ids
    first: int = 1  # the first message that was not cleared away

    @classmethod
    def of(cls, chat: Any) -> Copy:
        seen = observing.chat_of(chat)
        nodes = chat["members"]["nodes"]
        return cls(
            own=chat["viewerMembership"]["id"],
            active=chat["lastActivityAt"],
            details={name: seen[name] for name in DETAILS},
            members={node["id"]: observing.member(node) for node in nodes},
            messages={each["seq"]: each for each in seen["messages"]},
            kept={name: seen["own"][name] for name in KEPT.split()},
            draft=seen["draft"],
            pins=list(seen["pins"]),
            seqs={node["id"]: node["seq"] for node in chat["messages"]["nodes"]},
        )

    def state(self) -> View:
        seqs = sorted(self.messages)
        read = max(self.members[self.own]["read"], self.details["expiredSeq"])
        return {
            **self.details,
            "own": {"unread": max([read, *seqs]) - read, **self.kept},
            "draft": self.draft,
            "members": list(self.members.values()),
            "messages": [self.messages[seq] for seq in seqs[-observing.NEWEST :]],
            "last": seqs[-1] if seqs else None,
            "pins": self.pins,
        }

    def put(self, found: Any, *, hidden: bool) -> None:
        """Take a message as an event brings it; what is gone for its reader stays gone."""
        message, seq = observing.message(found), found["seq"]
        known = self.messages.get(seq)
        if seq < self.first or (known and known["deleted"]):
            return
        if message["answers"] is not None and message["answers"] < self.first:
            message["answers"] = None
        self.seqs[found["id"]] = seq
        self.messages[seq] = tombstone(message) if hidden else message

    def hide(self, id_: str) -> None:
        seq = self.seqs.get(id_)
        if seq in self.messages:
            self.messages[seq] = tombstone(self.messages[seq])

    def clear(self, last: int) -> None:
        self.first = max(self.first, last + 1)
        self.messages = {seq: each for seq, each in self.messages.items() if seq > last}
        self.pins = [seq for seq in self.pins if seq > last]
        for each in self.messages.values():
            if each["answers"] is not None and each["answers"] <= last:
                each["answers"] = None

    def got_to(self, who: str, delivered: int, read: int) -> None:
        for each in self.members.values():
            if each["who"] == who:
                # Of a stay that is over nothing is told, until the event that ends it.
                each["delivered"] = max(each["delivered"] or 0, delivered)
                each["read"] = max(each["read"] or 0, read)


def tombstone(message: View) -> View:
    """Return what is left of a message that was deleted."""
    return {
        **message,
        "deleted": True,
        "text": "",
        "edited": False,
        "answers": None,
        "quote": None,
        "forwarded": False,
        "reactions": {},
        "mine": [],
        "mentions": [],
        "mentionsAll": False,
        "system": None,
        "poll": None,
    }
