"""Folders: for the person alone, within limits, and one story on two devices."""

import asyncio

import pytest

from resolvers import folders

FOLDER = "folder { id name chatIds }"
LIST = """query($id: ID!) { viewer { folders { id name chatIds }
  chats(filter: { folderId: $id }) { nodes { id } } } }"""


async def folder(person, name, *chat_ids):
    payload = await person.done("createFolder", FOLDER, name=name, chatIds=list(chat_ids))
    return payload["folder"]


async def listed(person, folder_id):
    nodes = (await person.ask(LIST, id=folder_id))["viewer"]["chats"]["nodes"]
    return [chat["id"] for chat in nodes]


async def names(person):
    data = await person.ask("{ viewer { folders { name } } }")
    return [each["name"] for each in data["viewer"]["folders"]]


@pytest.fixture
async def two(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    return ana, ben, await ana.group("One", ben), await ben.group("Two", ana)


async def test_a_folder_is_made_changed_ordered_and_deleted(two):
    ana, _, one, other = two
    work = await folder(ana, " Work ", one, one)
    assert (work["name"], work["chatIds"]) == ("Work", [one])
    home = await folder(ana, "Home")
    assert await listed(ana, work["id"]) == [one]
    payload = await ana.done("updateFolder", FOLDER, folderId=work["id"], chatIds=[other, one])
    assert payload["folder"] == {**work, "chatIds": [other, one]}
    payload = await ana.done("updateFolder", FOLDER, folderId=work["id"], name="Office")
    assert payload["folder"] == {**work, "name": "Office", "chatIds": [other, one]}
    assert sorted(await listed(ana, work["id"])) == sorted([one, other])
    order = [home["id"], work["id"]]
    payload = await ana.done("orderFolders", "folders { name }", folderIds=order)
    assert [each["name"] for each in payload["folders"]] == ["Home", "Office"]
    await ana.done("deleteFolder", "deletedFolderId", folderId=home["id"])
    assert await names(ana) == ["Office"]


async def test_a_folder_is_nobody_elses(two):
    ana, ben, one, _ = two
    work = await folder(ana, "Work", one)
    for act, given in (
        ("updateFolder", {"folderId": work["id"], "name": "Mine"}),
        ("deleteFolder", {"folderId": work["id"]}),
        ("orderFolders", {"folderIds": [work["id"]]}),
    ):
        assert await ben.refused(act, "", **given) == "NOT_FOUND"
    answer = await ben.run(LIST, id=work["id"])
    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert await names(ben) == []


async def test_a_chat_that_one_is_not_in_goes_into_no_folder(two):
    ana, ben, one, other = two
    private = await ben.group("Private")
    for act in ({"name": "Work"}, {"folderId": (await folder(ana, "Work", one))["id"]}):
        mutation = "createFolder" if "name" in act else "updateFolder"
        given = {**act, "chatIds": [other, private]}
        assert await ana.refused(mutation, "", **given) == "NOT_FOUND"


async def test_a_chat_that_was_left_is_listed_again_when_its_person_is_back(two):
    ana, ben, one, other = two
    work = await folder(ben, "Work", one, other)
    await ben.done("leaveChat", "", chatId=one)
    assert await listed(ben, work["id"]) == [other]
    await ana.done("addMembers", "", chatId=one, userIds=[ben.user_id])
    assert sorted(await listed(ben, work["id"])) == sorted([one, other])


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"name": " "}, "INVALID_INPUT"),
        ({"name": "two\nlines"}, "INVALID_INPUT"),
        ({"name": "x" * (folders.MAX_NAME + 1)}, "TOO_LONG"),
        ({"name": "Work", "chatIds": ["garbage"]}, "INVALID_ID"),
    ],
)
async def test_a_folder_that_cannot_be_is_refused(two, given, code):
    ana, *_ = two
    assert await ana.refused("createFolder", "", **given) == code
    work = await folder(ana, "Work")
    assert await ana.refused("updateFolder", "", folderId=work["id"], **given) == code
    assert await names(ana) == ["Work"]


async def test_folders_and_their_chats_are_limited_also_for_devices_at_once(two, monkeypatch):
    ana, _, one, other = two
    monkeypatch.setattr(folders, "MAX_FOLDERS", 3)
    monkeypatch.setattr(folders, "MAX_CHATS", 1)
    assert await ana.refused("createFolder", "", name="Big", chatIds=[one, other]) == (
        "INVALID_INPUT"
    )
    payloads = await asyncio.gather(
        *(ana.do("createFolder", FOLDER, name=f"Number {n}") for n in range(5))
    )
    codes = [error["code"] for payload in payloads for error in payload["errors"]]
    assert codes == ["CONFLICT", "CONFLICT"]
    assert len(await names(ana)) == 3


async def test_an_order_names_each_folder_once(two):
    ana, *_ = two
    ids = [(await folder(ana, name))["id"] for name in ("One", "Two")]
    for order in ([], ids[:1], [ids[0], ids[0]], [*ids, ids[0]]):
        assert await ana.refused("orderFolders", "", folderIds=order) == "INVALID_INPUT"
    assert await names(ana) == ["One", "Two"]
