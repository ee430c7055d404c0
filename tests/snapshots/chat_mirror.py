"""What a client keeps of one chat, during one stay of the person in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MESSAGE = """
    id seq text editedAt deletedAt threadId threadNumber sender { id } replyTo { id }
    reactions { emoji count } viewerReactions
    kind system { what count text seconds subject { id } }
    poll { question options { text voteCount } totalVoters closed viewerVotes }
"""
DRAFT = "text version replyTo { id }"
MEMBERSHIP = "id role deliveredSeq readSeq silencedUntil user { id }"
DETAILS = (
    "kind",
    "title",
    "description",
    "memberCount",
    "lastActivityAt",
    "historyVisibility",
    "messageTtl",
    "slowMode",
    "reactionSet",
    "expiredSeq",
)
KEPT = ("muted", "archived", "pinned")
CHAT = f"""
    id {" ".join(DETAILS)} createdAt
    viewerMembership {{
        id role joinedAt deliveredSeq readSeq unreadCount {" ".join(KEPT)}
    }}
    members(first: 10) {{ nodes {{ {MEMBERSHIP} }} }}
    messages(last: 20) {{ nodes {{ {MESSAGE} }} }}
    lastMessage {{ id }}
    viewerDraft {{ {DRAFT} }}
"""

State = dict[str, Any]


def chat_state(chat: Any) -> State:
    own = chat["viewerMembership"]
    return {
        **{name: chat[name] for name in DETAILS},
        "viewerMembership": {name: own[name] for name in own if name != "joinedAt"},
        "members": {each["id"]: each for each in chat["members"]["nodes"]},
        "messages": {each["id"]: each for each in chat["messages"]["nodes"]},
        "lastMessage": chat["lastMessage"] and chat["lastMessage"]["id"],
        "viewerDraft": chat["viewerDraft"],
    }


@dataclass(slots=True)
class ChatMirror:
    """A chat during one stay of the person in it."""

    details: State
    own_id: str  # of the stay
    members: dict[str, Any]
    messages: dict[str, Any]
    kept: State  # how the person keeps it for themselves
    # Somebody else's direct chat, which is listed once something is said in it.
    theirs: bool = False
    draft: State | None = None

    @classmethod
    def of(cls, chat: Any, *, theirs: bool = False) -> ChatMirror:
        """Return what a client keeps of a chat that it fetched."""
        return cls(
            kept={name: chat["viewerMembership"][name] for name in KEPT},
            theirs=theirs,
            details={name: chat[name] for name in DETAILS},
            own_id=chat["viewerMembership"]["id"],
            members={each["id"]: each for each in chat["members"]["nodes"]},
            messages={each["id"]: each for each in chat["messages"]["nodes"]},
            draft=chat["viewerDraft"],
        )

    def state(self) -> State:
        """Return the same as `chat_state` of the chat as it would be fetched now."""
        own = self.members[self.own_id]
        newest = max(self.messages.values(), key=lambda each: each["seq"], default=None)
        read_seq = max(own["readSeq"], self.details["expiredSeq"])
        last_seq = max(read_seq, newest["seq"] if newest else 0)
        names = ("id", "role", "deliveredSeq", "readSeq")
        return {
            **self.details,
            "viewerMembership": {
                **{name: own[name] for name in names},
                **self.kept,
                "unreadCount": last_seq - read_seq,
            },
            "members": self.members,
            "messages": self.messages,
            "lastMessage": newest and newest["id"],
            "viewerDraft": self.draft,
        }

    def got_to(self, user_id: str, *, delivered: int, read: int) -> None:
        """Somebody's pointers are this far, or further."""
        for each in self.members.values():
            if each["user"]["id"] == user_id:
                each["deliveredSeq"] = max(each["deliveredSeq"], delivered)
                each["readSeq"] = max(each["readSeq"], read)
