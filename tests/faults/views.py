"""What the API shows at the end: each member's chats, their newest history, and what is unread."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.faults.cluster import Cluster
from tests.faults.history import Final, Stored, View
from tests.faults.world import World
from tests.parts.people import Person

# A chat's owner reads all of it, the others the newest page.
CHATS = """{ viewer { unreadCount chats(first: 200) { nodes {
  id lastMessage { seq } viewerMembership { unreadCount }
} } } }"""
HISTORY = """query History($id: ID!, $before: String) { chat(id: $id) {
  messages(last: 100, before: $before) {
    pageInfo { hasPreviousPage startCursor }
    nodes { seq kind text clientMessageId deletedAt sender { handle } }
  }
} }"""


async def views_of(world: World, final: Final, cluster: Cluster) -> list[View]:
    """Return every chat of everybody as the API shows it, asked through all nodes at once."""
    people = sorted(world.user_ids)
    shares = [people[number :: len(cluster.nodes)] for number in range(len(cluster.nodes))]
    asking = [
        _views_through(node.url, share, world, final)
        for node, share in zip(cluster.nodes, shares, strict=True)
    ]
    return [view for views in await asyncio.gather(*asking) for view in views]


async def _views_through(url: str, handles: list[str], world: World, final: Final) -> list[View]:
    views = []
    for handle in handles:
        person = Person(url)
        try:
            await person.log_in(handle)
            views += await _views_of_one(person, world, final)
        finally:
            await person.close()
    return views


async def _views_of_one(person: Person, world: World, final: Final) -> list[View]:
    viewer = (await person.ask(CHATS))["viewer"]
    unread = {
        chat["id"]: chat["viewerMembership"]["unreadCount"] for chat in viewer["chats"]["nodes"]
    }
    if viewer["unreadCount"] != sum(unread.values()):
        final.problems.append(f"{person.handle}: unread counts do not add up: {viewer}")
    present = {world.rooms[id_].name for id_ in unread}
    due = {stay.chat for stay in final.stays if stay.user == person.handle and not stay.left}
    if present != due:
        final.problems.append(f"{person.handle}: is shown {present}, and is in {due}")
    views = []
    for id_, count in unread.items():
        room = world.rooms[id_]
        messages = await _history(person, id_, whole=room.owner == person.handle)
        since = messages[0].seq if messages else len(final.messages.get(room.name, [])) + 1
        views.append(View(person.handle, room.name, since, messages, count))
    return views


async def _history(person: Person, chat_id: str, *, whole: bool) -> list[Stored]:
    """Return the newest messages of a chat, or all of them, in the order of their numbers."""
    pages: list[list[Stored]] = []
    before: str | None = None
    while True:
        data: Any = await person.ask(HISTORY, id=chat_id, before=before)
        page = data["chat"]["messages"]
        pages.append(
            [
                Stored(
                    node["seq"],
                    node["sender"]["handle"],
                    node["clientMessageId"],
                    node["text"],
                    node["deletedAt"] is not None,
                    node["kind"] == "SYSTEM",
                )
                for node in page["nodes"]
            ]
        )
        if not whole or not page["pageInfo"]["hasPreviousPage"]:
            return [message for messages in reversed(pages) for message in messages]
        before = page["pageInfo"]["startCursor"]
