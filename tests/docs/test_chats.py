"""What `docs/PROTOCOL.md` says of chats is what the code does."""

import pytest

from models.chats import ChatKind
from models.members import Role
from resolvers.permissions import Act, roles_with
from schema.permissions import ChatPermission
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
