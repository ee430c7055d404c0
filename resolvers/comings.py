"""Telling in a chat's history who came and who went: in groups in which people know each other."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from models.chats import ChatKind
from models.messages import SystemKind
from resolvers.locked_chat import LockedChat

# Beyond it there are more comings and goings than anything that is said.
TOLD_UP_TO = 200  # members


async def tell(
    locked: LockedChat, what: SystemKind, subject_ids: Sequence[UUID], *, now: datetime
) -> None:
    """Say in a group's history that people came or went, all of them in one message.

    The message names the first; `MemberJoined` and `MemberLeft` tell of each, in every chat.
    """
    chat = locked.chat
    if subject_ids and chat.kind == ChatKind.GROUP and chat.member_count <= TOLD_UP_TO:
        details = {"count": len(subject_ids)}
        await locked.say(what, now=now, subject_id=subject_ids[0], details=details)
