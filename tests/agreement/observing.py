"""What the product shows somebody, fetched as clients fetch it, in the form of `views.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.agreement.views import View
from tests.parts.people import Person as Client

NEWEST = 40  # messages of each chat with the rest; `walk` looks at all of them
CHATS = 10

DETAILS = (
    "kind",
    "title",
    "description",
    "memberCount",
    "historyVisibility",
    "messageTtl",
    "slowMode",
    "reactionSet",
    "expiredSeq",
)
MEMBERSHIP = "id role deliveredSeq readSeq silencedUntil user { handle }"
MESSAGE = """
    id seq kind text editedAt deletedAt quote mentionsAll threadId threadNumber
    sender { handle } replyTo { seq } forwardedFrom { sentAt } mentions { handle }
    reactions { emoji count } viewerReactions
    system { what count text seconds subject { handle } }
    poll { options { voteCount } totalVoters closed viewerVotes }
"""
KEPT = "muted archived pinned"
SETTINGS = "whoMayMessage whoMayAdd hides"
FOLDERS = "folders { name chatIds }"
CHAT = f"""
    id {" ".join(DETAILS)} createdAt lastActivityAt lastMessage {{ seq }} viewerDraft {{ text }}
    viewerMembership {{ id joinedAt unreadCount mentionCount {KEPT} }}
    members(first: 10) {{ nodes {{ {MEMBERSHIP} }} }}
    messages(last: {NEWEST}) {{ nodes {{ {MESSAGE} }} }}
    pinnedMessages(first: 20) {{ nodes {{ message {{ seq }} }} }}
"""
EVERYTHING = f"""{{ viewer {{
    cursor unreadCount mentionCount unreadChats settings {{ {SETTINGS} }} {FOLDERS}
    blocks {{ nodes {{ handle }} }}
    onTop: chats(first: {CHATS}, filter: {{ pinned: true }}) {{ nodes {{ id }} }}
    chats(first: {CHATS}) {{ nodes {{ {CHAT} }} }}
}} }}"""
ONE_CHAT = f"query ($id: ID!) {{ chat(id: $id) {{ {CHAT} }} }}"
FORWARDS = f"""query ($id: ID!, $after: String) {{ chat(id: $id) {{
    messages(first: 7, after: $after) {{
        nodes {{ {MESSAGE} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"""
BACKWARDS = f"""query ($id: ID!, $before: String) {{ chat(id: $id) {{
    messages(last: 7, before: $before) {{
        nodes {{ {MESSAGE} }} pageInfo {{ hasPreviousPage startCursor }} }} }} }}"""
THREADS = """query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Message { seq thread {
    replyCount viewerFollows root { seq } messages(last: 40) { nodes { seq } } } } } }"""


class Names:
    """What the model calls chats, by their ids."""

    def __init__(self) -> None:
        self.chats: dict[str, str] = {}

    def chat(self, id_: str) -> str:
        return self.chats.get(id_, id_)


def view_of(viewer: Any, names: Names) -> View:
    """Return an answer to `EVERYTHING` in the form of `views.view`."""
    chats = viewer["chats"]["nodes"]
    return {
        "order": [names.chat(chat["id"]) for chat in chats],
        "pinned": [names.chat(chat["id"]) for chat in viewer["onTop"]["nodes"]],
        "unread": viewer["unreadCount"],
        "mentioned": viewer["mentionCount"],
        "badge": viewer["unreadChats"],
        "blocks": sorted(user["handle"] for user in viewer["blocks"]["nodes"]),
        "settings": viewer["settings"],
        "folders": folders(viewer["folders"], names),
        "chats": {names.chat(chat["id"]): chat_of(chat) for chat in chats},
    }


def folders(found: Any, names: Names) -> list[View]:
    return [
        {"name": each["name"], "chats": [names.chat(id_) for id_ in each["chatIds"]]}
        for each in found
    ]


def chat_of(chat: Any) -> View:
    own = chat["viewerMembership"]
    return {
        **{name: chat[name] for name in DETAILS},
        "own": {
            "unread": own["unreadCount"],
            "mentions": own["mentionCount"],
            **{name: own[name] for name in KEPT.split()},
        },
        "draft": chat["viewerDraft"] and chat["viewerDraft"]["text"],
        "members": [member(each) for each in chat["members"]["nodes"]],
        "messages": [message(each) for each in chat["messages"]["nodes"]],
        "last": chat["lastMessage"] and chat["lastMessage"]["seq"],
        "pins": [
            each["message"]["seq"] if each["message"] else None
            for each in chat["pinnedMessages"]["nodes"]
        ],
    }


def member(found: Any) -> View:
    return {
        "who": found["user"]["handle"],
        "role": found["role"],
        "delivered": found["deliveredSeq"],
        "read": found["readSeq"],
        "silenced": found["silencedUntil"] is not None,
    }


def message(found: Any) -> View:
    """Return a message as the model has it."""
    system, poll = found["system"], found["poll"]
    subject = system and system["subject"]
    return {
        "seq": found["seq"],
        "kind": found["kind"],
        "who": found["sender"] and found["sender"]["handle"],
        "deleted": found["deletedAt"] is not None,
        "text": found["text"],
        "edited": found["deletedAt"] is None and found["editedAt"] is not None,
        "answers": found["replyTo"] and found["replyTo"]["seq"],
        "quote": found["quote"],
        "forwarded": found["forwardedFrom"] is not None,
        "reactions": {each["emoji"]: each["count"] for each in found["reactions"]},
        "mine": sorted(found["viewerReactions"]),
        "mentions": sorted(user["handle"] for user in found["mentions"]),
        "mentionsAll": found["mentionsAll"],
        "system": system
        and {
            **{name: value for name, value in system.items() if value is not None},
            "subject": subject and subject["handle"],
        },
        "poll": poll
        and {
            "votes": [each["voteCount"] for each in poll["options"]],
            "voters": poll["totalVoters"],
            "closed": poll["closed"],
            "mine": poll["viewerVotes"],
        },
        "thread": found["threadNumber"] is not None,
        "number": found["threadNumber"],
    }


async def walk(client: Client, chat_id: str) -> tuple[list[View], list[View]]:
    """Return a chat's whole history as two ways of paging through it find it."""
    found: list[list[View]] = []
    for query, place, more, end in (
        (FORWARDS, "after", "hasNextPage", "endCursor"),
        (BACKWARDS, "before", "hasPreviousPage", "startCursor"),
    ):
        pages: list[list[View]] = []
        given: dict[str, Any] = {"id": chat_id}
        while True:
            page = (await client.ask(query, **given))["chat"]["messages"]
            pages.append([message(each) for each in page["nodes"]])
            if not page["pageInfo"][more]:
                break
            given[place] = page["pageInfo"][end]
        in_order: Iterable[list[View]] = pages if place == "after" else reversed(pages)
        found.append([each for page_ in in_order for each in page_])
    return found[0], found[1]


async def threads(client: Client, ids: list[str]) -> dict[int, View]:
    """Return the threads of messages that begin one, by the message's number."""
    found = (await client.ask(THREADS, ids=ids))["nodes"]
    return {
        each["seq"]: {
            "replyCount": each["thread"]["replyCount"],
            "replies": [reply["seq"] for reply in each["thread"]["messages"]["nodes"]],
            "follows": each["thread"]["viewerFollows"],
        }
        for each in found
        if each and each["thread"] and each["thread"]["root"]["seq"] == each["seq"]
    }
