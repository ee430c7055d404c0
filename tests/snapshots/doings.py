"""What people do to each other in an example: any of them anything, allowed or not."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.parts.people import Person
from tests.parts.running import Running
from tests.snapshots.mirror import Mirror


@dataclass(frozen=True, slots=True)
class Doing:
    """One thing to do; the numbers choose among whoever and whatever there is by then."""

    what: str
    who: int
    first: int
    second: int


@dataclass(slots=True)
class Scene:
    """Some people, and what there is between them."""

    server: Running
    people: list[Person]
    devices: list[list[Person]]  # the other ones, of each of the people
    chats: list[str] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)  # chat and message
    polls: list[str] = field(default_factory=list)
    scheduled: list[str] = field(default_factory=list)
    mirrors: list[Mirror] = field(default_factory=list)

    @classmethod
    async def begin(cls, server: Running, count: int) -> Scene:
        """Return people who have signed up for this, and who share a group."""
        people = [await server.registered(f"p{uuid4().hex[:12]}") for _ in range(count)]
        scene = cls(server, people, [[] for _ in people])
        scene.chats.append(await people[0].group("All", *people[1:]))
        return scene

    async def do(self, doing: Doing) -> None:
        """Do one thing, or be refused."""
        await DOINGS[doing.what](self, doing)

    async def try_(self, who: Person, mutation: str, selection: str = "", **given: Any) -> Any:
        """Run a mutation that may well be refused."""
        return await who.do(mutation, selection, **given)


DOINGS: dict[str, Callable[[Scene, Doing], Awaitable[None]]] = {}


def doing(
    act: Callable[[Scene, Person, Doing], Awaitable[None]],
) -> Callable[[Scene, Person, Doing], Awaitable[None]]:
    """Enter something that people do by its name."""

    async def done(scene: Scene, each: Doing) -> None:
        await act(scene, _of(scene.people, each.who), each)

    DOINGS[act.__name__] = done
    return act


def _of(choices: list[Any], number: int) -> Any:
    return choices[number % len(choices)]


@doing
async def take_snapshot(scene: Scene, who: Person, each: Doing) -> None:
    scene.mirrors.append(await Mirror.take(who))


@doing
async def create_chat(scene: Scene, who: Person, each: Doing) -> None:
    others = [person.user_id for n, person in enumerate(scene.people) if each.first >> n & 1]
    others = [user_id for user_id in others if user_id != who.user_id]
    given: dict[str, Any] = {"kind": "GROUP", "title": "More", "memberIds": others}
    if each.second % 2 and len(others) == 1:
        given = {"kind": "DIRECT", "memberIds": others}
    payload = await scene.try_(who, "createChat", "chat { id }", **given)
    if payload["chat"] is not None and payload["chat"]["id"] not in scene.chats:
        scene.chats.append(payload["chat"]["id"])


@doing
async def update_chat(scene: Scene, who: Person, each: Doing) -> None:
    details = {"title": f"Title {each.second}"} if each.second % 2 else {"description": "About"}
    await scene.try_(who, "updateChat", chatId=_of(scene.chats, each.first), **details)


@doing
async def set_up_chat(scene: Scene, who: Person, each: Doing) -> None:
    settings: list[dict[str, Any]] = [
        {"messageTtl": 86_400 + each.second},
        {"messageTtl": None},
        {"slowMode": 1 + each.second},
        {"slowMode": None},
        {"reactionSet": ["👍", "🎉"]},
        {"reactionSet": None},
        {"historyVisibility": "FROM_START"},
        {"historyVisibility": "SINCE_JOINING"},
    ]
    chat_id = _of(scene.chats, each.first)
    await scene.try_(who, "updateChat", chatId=chat_id, **_of(settings, each.second))


@doing
async def keep_chat(scene: Scene, who: Person, each: Doing) -> None:
    name, value = ["muted", "archived", "pinned"][each.second % 3], bool(each.second // 3 % 2)
    given: dict[str, Any] = {"chatId": _of(scene.chats, each.first), name: value}
    await scene.try_(who, "updateViewerMembership", **given)


@doing
async def create_folder(scene: Scene, who: Person, each: Doing) -> None:
    chat_ids = [_of(scene.chats, each.first)]
    await scene.try_(who, "createFolder", name=f"Folder {each.second}", chatIds=chat_ids)


@doing
async def change_role(scene: Scene, who: Person, each: Doing) -> None:
    user_id, role = _of(scene.people, each.second).user_id, ["ADMIN", "MEMBER"][each.second % 2]
    chat_id = _of(scene.chats, each.first)
    await scene.try_(who, "changeMemberRole", chatId=chat_id, userId=user_id, role=role)


@doing
async def transfer_ownership(scene: Scene, who: Person, each: Doing) -> None:
    user_id = _of(scene.people, each.second).user_id
    chat_id = _of(scene.chats, each.first)
    await scene.try_(who, "transferOwnership", chatId=chat_id, userId=user_id)


@doing
async def send_to_person(scene: Scene, who: Person, each: Doing) -> None:
    """To oneself as well: the first message makes the chat."""
    payload = await scene.try_(
        who,
        "sendMessage",
        "message { id chat { id } }",
        toUserId=_of(scene.people, each.second).user_id,
        text=f"text {each.first}",
        clientMessageId=str(uuid4()),
    )
    if payload["message"] is not None:
        chat_id = payload["message"]["chat"]["id"]
        scene.messages.append((chat_id, payload["message"]["id"]))
        if chat_id not in scene.chats:
            scene.chats.append(chat_id)


@doing
async def add_member(scene: Scene, who: Person, each: Doing) -> None:
    user_ids = [_of(scene.people, each.second).user_id]
    chat_id = _of(scene.chats, each.first)
    await scene.try_(who, "addMembers", chatId=chat_id, userIds=user_ids)


@doing
async def remove_member(scene: Scene, who: Person, each: Doing) -> None:
    user_id = _of(scene.people, each.second).user_id
    chat_id = _of(scene.chats, each.first)
    await scene.try_(who, "removeMember", chatId=chat_id, userId=user_id)


@doing
async def ban_member(scene: Scene, who: Person, each: Doing) -> None:
    user_id = _of(scene.people, each.second).user_id
    mutation = "unbanMember" if each.second % 3 == 0 else "banMember"
    await scene.try_(who, mutation, chatId=_of(scene.chats, each.first), userId=user_id)


@doing
async def silence_member(scene: Scene, who: Person, each: Doing) -> None:
    user_id = _of(scene.people, each.second).user_id
    mutation = "unsilenceMember" if each.second % 4 == 0 else "silenceMember"
    await scene.try_(who, mutation, chatId=_of(scene.chats, each.first), userId=user_id)


@doing
async def block(scene: Scene, who: Person, each: Doing) -> None:
    mutation = "unblockUser" if each.second % 2 else "blockUser"
    await scene.try_(who, mutation, userId=_of(scene.people, each.first).user_id)


@doing
async def leave_chat(scene: Scene, who: Person, each: Doing) -> None:
    """An owner who leaves gives their role to somebody else."""
    await scene.try_(who, "leaveChat", chatId=_of(scene.chats, each.first))


@doing
async def send_message(scene: Scene, who: Person, each: Doing) -> None:
    chat_id = _of(scene.chats, each.first)
    given: dict[str, Any] = {}
    if each.second % 3 == 0 and scene.messages:
        given["replyToId"] = _of(scene.messages, each.second)[1]
    if each.second % 4 == 1 and scene.messages:
        given["threadId"] = _of(scene.messages, each.second)[1]
    payload = await scene.try_(
        who,
        "sendMessage",
        "message { id }",
        chatId=chat_id,
        text=f"text {each.second}",
        clientMessageId=str(uuid4()),
        **given,
    )
    if payload["message"] is not None:
        scene.messages.append((chat_id, payload["message"]["id"]))


@doing
async def ask_poll(scene: Scene, who: Person, each: Doing) -> None:
    chat_id = _of(scene.chats, each.first)
    payload = await scene.try_(
        who,
        "sendMessage",
        "message { id }",
        chatId=chat_id,
        clientMessageId=str(uuid4()),
        poll={"question": "Which?", "options": ["A", "B"], "multiple": each.second % 2 == 0},
    )
    if payload["message"] is not None:
        scene.polls.append(payload["message"]["id"])
        scene.messages.append((chat_id, payload["message"]["id"]))


@doing
async def vote(scene: Scene, who: Person, each: Doing) -> None:
    if scene.polls:
        message_id = _of(scene.polls, each.first)
        options = _of([[], [0], [1], [0, 1]], each.second)
        await scene.try_(who, "votePoll", messageId=message_id, options=options)
        if each.second == 11:
            await scene.try_(who, "closePoll", messageId=message_id)


@doing
async def schedule(scene: Scene, who: Person, each: Doing) -> None:
    if each.second % 3 == 0 and scene.scheduled:
        given = {"scheduledMessageId": _of(scene.scheduled, each.first)}
        mutation = _of(["cancelScheduledMessage", "sendScheduledMessageNow"], each.first)
        await scene.try_(who, mutation, **given)
        return
    payload = await scene.try_(
        who,
        "scheduleMessage",
        "scheduledMessage { id }",
        chatId=_of(scene.chats, each.first),
        text=f"later {each.second}",
        clientMessageId=str(uuid4()),
        sendAt=(datetime.now(UTC) + timedelta(days=1 + each.second)).isoformat(),
    )
    if payload["scheduledMessage"] is not None:
        scene.scheduled.append(payload["scheduledMessage"]["id"])


@doing
async def draft(scene: Scene, who: Person, each: Doing) -> None:
    chat_id, text = _of(scene.chats, each.first), _of(["", "begun", "gone on"], each.second)
    await scene.try_(who, "saveDraft", chatId=chat_id, text=text)


@doing
async def edit_message(scene: Scene, who: Person, each: Doing) -> None:
    if scene.messages:
        _, message_id = _of(scene.messages, each.first)
        await scene.try_(who, "editMessage", messageId=message_id, text=f"edited {each.second}")


@doing
async def delete_message(scene: Scene, who: Person, each: Doing) -> None:
    if scene.messages:
        await scene.try_(who, "deleteMessage", messageId=_of(scene.messages, each.first)[1])


@doing
async def react(scene: Scene, who: Person, each: Doing) -> None:
    if scene.messages:
        mutation = "removeReaction" if each.second % 3 == 0 else "addReaction"
        message_id = _of(scene.messages, each.first)[1]
        await scene.try_(who, mutation, messageId=message_id, emoji=_of(["👍", "🎉"], each.second))


@doing
async def mark(scene: Scene, who: Person, each: Doing) -> None:
    mutation = "markRead" if each.second % 2 else "markDelivered"
    chat_id = _of(scene.chats, each.first)
    await scene.try_(who, mutation, chatId=chat_id, seq=each.second)


@doing
async def sign_in_elsewhere(scene: Scene, who: Person, each: Doing) -> None:
    device = scene.server.person()
    await device.log_in(who.handle)
    scene.devices[scene.people.index(who)].append(device)


@doing
async def sign_out_elsewhere(scene: Scene, who: Person, each: Doing) -> None:
    devices = scene.devices[scene.people.index(who)]
    with contextlib.suppress(IndexError):
        await devices.pop().ask("mutation { logOut { errors { code } } }")


@doing
async def change_profile(scene: Scene, who: Person, each: Doing) -> None:
    await scene.try_(who, "updateProfile", displayName=f"Name {each.first}", bio=str(each.second))


@doing
async def change_settings(scene: Scene, who: Person, each: Doing) -> None:
    audience = _of(["EVERYBODY", "CONTACTS", "NOBODY"], each.first)
    await scene.try_(who, "updateSettings", whoMayCall=audience, hides=each.second % 2 == 0)
