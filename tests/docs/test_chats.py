"""What `docs/PROTOCOL.md` says of chats is what the code does."""

import pytest

from models.chats import ChatKind
from models.members import Role
from models.messages import SystemKind
from resolvers import chat_details, comings, folders, keeping, roles
from resolvers.permissions import Act, roles_with
from schema.permissions import ChatPermission
from schema.system_messages import SystemMessageKind
from server.settings import Settings
from tests.docs.pages import Page

PAGE = Page.of("PROTOCOL.md")
ROLES = {
    "": set(),
    "both": {Role.MEMBER},
    "owner": {Role.OWNER},
    "owner, admins": {Role.OWNER, Role.ADMIN},
    "everybody": set(Role),
}
KINDS = [ChatKind.DIRECT, ChatKind.SELF, ChatKind.GROUP, ChatKind.CHANNEL]


def test_the_table_has_every_permission_in_its_order():
    told = [name.strip("`") for name, *_ in PAGE.table("Who may do what")]
    assert told == [each.name for each in ChatPermission]
    assert told == [act.name for act in Act]


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_says_who_may_do_what(kind):
    for name, *columns in PAGE.table("Who may do what"):
        told = ROLES[columns[KINDS.index(kind)]]
        assert roles_with(kind, Act[name.strip("`")]) == told, name


def test_the_table_has_the_limits_of_the_code():
    told = {limit: number for limit, number, _ in PAGE.table("Limits of chats")}
    fields = Settings.model_fields
    assert told == {
        "members of a group": str(fields["group_members"].default),
        "members of a channel": str(fields["channel_members"].default),
        "admins of a chat": str(roles.MAX_ADMINS),
        "characters of a title": str(chat_details.MAX_TITLE),
        "characters of a description": str(chat_details.MAX_DESCRIPTION),
        "seconds of `messageTtl`": f"{chat_details.MIN_MESSAGE_TTL} to "
        f"{chat_details.MAX_MESSAGE_TTL}",
        "seconds of `slowMode`": f"1 to {chat_details.MAX_SLOW_MODE}",
        "reactions of a `reactionSet`": str(chat_details.MAX_REACTION_SET),
        "pinned chats": str(keeping.MAX_PINNED),
        "folders": str(folders.MAX_FOLDERS),
        "chats of a folder": str(folders.MAX_CHATS),
        "characters of a folder's name": str(folders.MAX_NAME),
    }


def test_the_table_has_everything_that_a_chat_says_by_itself():
    told = {what.strip("`") for what, *_ in PAGE.table("What a chat says by itself")}
    assert told == {kind.name for kind in SystemKind} == {kind.name for kind in SystemMessageKind}
    text = PAGE.section("What a chat says by itself")
    assert f"of up to {comings.TOLD_UP_TO} members" in text
