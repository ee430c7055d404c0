"""Exports of one's own data: what is in one, how it is made, and who gets it."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

import models.exports as tables
from models import own_data
from models.audit import audit_log
from models.base import metadata
from models.exports import export_chunks, exports
from models.members import members
from models.messages import messages
from models.reactions import reactions
from models.sessions import sessions
from models.users import users
from resolvers import export_parts, exporting
from resolvers import exports as use_cases
from resolvers.rates import Rate
from resolvers.services import utc_now
from server import worker
from tests.parts.endings import REQUEST, change, count
from tests.parts.people import PASSWORD
from tests.parts.roles import administrator
from tests.parts.running import running

MINE = "{ viewer { dataExports { id state progress size expiresAt url } } }"


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Pieces and pages so small that a short export has several."""
    for module in (tables, use_cases, exporting):
        monkeypatch.setattr(module, "CHUNK", 400)
    monkeypatch.setattr(export_parts, "PAGE", 3)
    monkeypatch.setattr(exporting, "RENEWED_EVERY", 0.0)


async def requested(person):
    payload = (await person.ask(REQUEST))["requestDataExport"]
    assert payload["errors"] == []
    return payload["dataExport"]


async def made(server, person):
    """Ask for an export, let a worker make it, and return it as its person sees it."""
    await requested(person)
    await worker.make_exports(server.program.services, server.settings)
    (export, *_) = (await person.ask(MINE))["viewer"]["dataExports"]
    assert export["state"] == "READY", export
    return export


async def fetched(server, path, **headers):
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        return await http.get(path, headers=headers)


def unpacked(archive: bytes) -> Mapping[str, list[dict[str, Any]]]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {
            name.removesuffix(".jsonl"): [json.loads(line) for line in opened.open(name)]
            for name in opened.namelist()
            if name.endswith(".jsonl")
        }


async def talk(ana, bob):
    chat_id = await ana.group("Plans", bob)
    for number in range(10):
        sent = await ana.send(chat_id, f"from Ana {number}")
        await bob.send(chat_id, f"from Bob {number}")
        await ana.done(
            "addReaction", "message { id }", messageId=sent["id"], emoji="\N{SLICE OF PIZZA}"
        )
    return chat_id


async def test_an_export_has_all_that_is_ones_own_and_nothing_of_anybody_elses(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    await talk(ana, bob)
    left = await bob.group("Left", ana)
    await ana.done("leaveChat", "errors { code }", chatId=left)
    await server.person().refused("logIn", "session { id }", handle="ana", password="wrong")
    await ana.done("updateSettings", "errors { code }", hides=True)
    await ana.done("updateProfile", "errors { code }", bio="I draw", locale="es")
    export = await made(server, ana)
    assert export["progress"] == 1
    response = await fetched(server, export["url"])
    assert response.status_code == 200
    assert len(response.content) == export["size"] > 3 * 400
    parts = unpacked(response.content)
    assert set(parts) == {part.name for part in export_parts.PARTS}
    (account,) = parts["account"]
    assert (account["handle"], account["display_name"]) == ("ana", "Ana")
    assert (account["bio"], account["locale"]) == ("I draw", "es")
    assert parts["settings"][0]["hides"] is True
    texts = {message["text"] for message in parts["messages"] if message["kind"] == "text"}
    assert texts == {f"from Ana {number}" for number in range(10)}
    assert len(parts["reactions"]) == 10
    # And what the chat that she left says of that.
    assert len(parts["messages"]) == 11
    assert [chat["chat_title"] for chat in parts["memberships"]] == ["Plans"]
    assert len(parts["past_memberships"]) == 1
    assert len(parts["sessions"]) == 1
    assert {act["act"] for act in parts["acts"]} == {
        "registered",
        "settings_changed",
        "export_requested",
    }
    assert [act["act"] for act in parts["acts_of_others"]] == ["log_in_failed"]
    whole = json.dumps(parts)
    assert "from Bob" not in whole
    assert "argon2" not in whole
    assert "hash" not in whole


async def test_an_export_does_not_tell_what_a_chat_is_called_after_one_has_left_it(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    chat_id = await bob.group("Plans", ana)
    await bob.done("removeMember", "", chatId=chat_id, userId=ana.user_id)
    await bob.done("updateChat", "", chatId=chat_id, title="A party without Ana")
    archive = (await fetched(server, (await made(server, ana))["url"])).content
    parts = unpacked(archive)
    assert len(parts["past_memberships"]) == 1
    assert "without" not in json.dumps(parts)


async def test_an_export_does_not_tell_that_somebody_reported_one(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    root = await administrator(server)
    await bob.done("reportUser", "", userId=ana.user_id, reason="HARASSMENT")
    (report,) = (await root.ask("{ admin { reports { nodes { id } } } }"))["admin"]["reports"][
        "nodes"
    ]
    await root.done("adminResolveReport", "", reportId=report["id"])
    parts = unpacked((await fetched(server, (await made(server, ana))["url"])).content)
    assert parts["acts_of_others"] == []


async def test_an_export_has_what_one_wants_of_others(server):
    ana = await server.registered("ana")
    await ana.done("updateSettings", "", whoMayMessage="CONTACTS")
    parts = unpacked((await fetched(server, (await made(server, ana))["url"])).content)
    (settings,) = parts["settings"]
    assert settings["who_may_message"] == "contacts"


async def test_the_manifest_and_the_readme_say_what_there_is(server):
    ana = await server.registered("ana")
    archive = (await fetched(server, (await made(server, ana))["url"])).content
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        manifest = json.loads(opened.read("manifest.json"))
        readme = opened.read("README.txt").decode()
    assert manifest["rows"]["account"] == manifest["rows"]["sessions"] == 1
    for part in export_parts.PARTS:
        assert f"{part.name}.jsonl" in readme


def points_to_a_person(column: sa.Column[Any]) -> bool:
    names = ("user_id", "actor_id", "subject_id", "sender_id", "owner_id", "created_by")
    to_users = any(key.column.table.name == "users" for key in column.foreign_keys)
    return to_users or column.name.endswith(names) or column is users.c.id


def test_every_column_that_names_a_person_is_exported_or_said_why_not():
    """A new table fails here: add a line to `models/own_data.py` and a part, or a reason."""
    naming = {
        str(column)
        for table in metadata.tables.values()
        for column in table.columns
        if points_to_a_person(column)
    }
    owners = {owner for part in export_parts.PARTS for owner in part.owners}
    assert naming == owners | own_data.NOT_EXPORTED.keys()
    assert not owners & own_data.NOT_EXPORTED.keys()


def test_nothing_that_sounds_like_a_secret_is_exported():
    tables_shown = {
        owner.split(".")[0]: part for part in export_parts.PARTS for owner in part.owners
    }
    for name, part in tables_shown.items():
        for column in metadata.tables[name].columns:
            sounds = any(
                word in column.name for word in ("hash", "secret", "token", "key", "claim")
            )
            if sounds or isinstance(column.type, sa.LargeBinary):
                assert column.name in part.withheld, f"{column} of {part.name}"


@pytest.mark.parametrize("table", [users, sessions, members, messages, reactions])
async def test_an_export_has_as_many_rows_as_the_tables(server, table):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    await talk(ana, bob)
    parts = unpacked((await fetched(server, (await made(server, ana))["url"])).content)
    owners = [
        owner
        for part in export_parts.PARTS
        for owner in part.owners
        if owner.startswith(table.name)
    ]
    shown = sum(
        len(parts[part.name])
        for part in export_parts.PARTS
        if any(owner in part.owners for owner in owners)
    )
    async with server.program.services.db.reading() as connection:
        query = sa.select(sa.func.count()).select_from(table)
        mine = await connection.execute(
            query.where(
                sa.or_(
                    *(
                        table.c[owner.split(".")[1]]
                        == sa.select(users.c.id).where(users.c.handle == "ana").scalar_subquery()
                        for owner in set(owners)
                    )
                )
            )
        )
        assert shown == mine.scalar_one() > 0


# --- asking ---------------------------------------------------------------------------------------


async def test_an_export_waits_for_a_worker_and_shows_nothing_until_it_is_made(server):
    ana = await server.registered("ana")
    export = await requested(ana)
    assert (export["state"], export["progress"], export["url"]) == ("QUEUED", 0, None)
    (listed,) = (await ana.ask(MINE))["viewer"]["dataExports"]
    assert listed["id"] == export["id"]


async def test_one_export_at_a_time(server):
    ana = await server.registered("ana")
    await requested(ana)
    payload = (await ana.ask(REQUEST))["requestDataExport"]
    assert payload == {"dataExport": None, "errors": [{"code": "CONFLICT"}]}
    await worker.make_exports(server.program.services, server.settings)
    await requested(ana)


async def test_few_exports_a_day(migrated_sqlite_url):
    async with running(migrated_sqlite_url, rate_limits=True) as server:
        ana, bob = await server.registered("ana"), await server.registered("bob")
        for _ in range(Rate.EXPORT.items[0].amount):
            await made(server, ana)
        payload = (await ana.ask(REQUEST))["requestDataExport"]
        assert payload["errors"] == [{"code": "RATE_LIMITED"}]
        await requested(bob)


async def test_an_export_takes_somebody_who_has_just_proved_who_they_are(server):
    ana = await server.registered("ana")
    await change(server, sessions, confirmed_at=utc_now() - timedelta(minutes=16))
    answer = await ana.run(REQUEST)
    assert answer["errors"][0]["extensions"]["code"] == "CONFIRMATION_REQUIRED"
    assert await count(server, exports) == 0


async def test_nobody_sees_anybody_elses_exports(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    await made(server, ana)
    assert (await bob.ask(MINE))["viewer"]["dataExports"] == []


async def test_guests_and_bots_have_no_exports(server):
    ana = await server.registered("ana")
    for kind in ("guest", "bot"):
        await change(server, users, kind=kind)
        fresh = server.person()
        await fresh.log_in("ana")
        answer = await fresh.run(REQUEST)
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        assert (await fresh.ask(MINE))["viewer"]["dataExports"] == []
    assert ana.handle == "ana"


# --- making ---------------------------------------------------------------------------------------


class Crash(BaseException):
    """What a killed worker leaves its work with: nothing is caught, nothing is said."""


async def crash_in_the_middle(server, monkeypatch):
    """Make the next export until some of it is stored, and no further."""
    add_chunk = tables.add_chunk

    async def crashing(connection, export_id, number, data):
        await add_chunk(connection, export_id, number, data)
        if number == 2:
            raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(tables, "add_chunk", crashing)
        with pytest.raises(Crash):
            await exporting.make_next(server.program.services)


async def test_what_a_killed_worker_leaves_is_never_shown_and_begun_anew(server, monkeypatch):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    await talk(ana, bob)
    await requested(ana)
    await crash_in_the_middle(server, monkeypatch)
    assert await count(server, export_chunks) == 2
    (export,) = (await ana.ask(MINE))["viewer"]["dataExports"]
    assert (export["state"], export["url"], export["size"]) == ("RUNNING", None, None)
    assert 0 < export["progress"] < 1
    # As long as its claim lasts nobody else touches it.
    assert not await exporting.make_next(server.program.services)
    await change(server, exports, claimed_until=utc_now() - timedelta(seconds=1))
    assert await exporting.make_next(server.program.services)
    (export,) = (await ana.ask(MINE))["viewer"]["dataExports"]
    assert export["state"] == "READY"
    parts = unpacked((await fetched(server, export["url"])).content)
    assert len(parts["messages"]) == 10


async def test_a_worker_whose_claim_has_lapsed_writes_nothing_more(server, monkeypatch):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    await talk(ana, bob)
    await requested(ana)
    services = server.program.services
    begun: list[bool] = []
    part = next(each for each in export_parts.PARTS if each.name == "messages")

    async def slow(db, user_id):
        async for rows in part.rows(db, user_id):
            if not begun:
                begun.append(True)
                await change(server, exports, claimed_until=utc_now() - timedelta(seconds=1))
                assert await exporting.make_next(services)  # another worker, to the end
            yield rows

    parts = [replace(each, rows=slow) if each is part else each for each in export_parts.PARTS]
    with monkeypatch.context() as patched:
        patched.setattr(export_parts, "PARTS", parts)
        assert await exporting.make_next(services)
    (export,) = (await ana.ask(MINE))["viewer"]["dataExports"]
    assert export["state"] == "READY"
    content = (await fetched(server, export["url"])).content
    assert len(content) == export["size"]
    assert len(unpacked(content)["messages"]) == 10


async def test_an_export_that_fails_is_tried_again_and_given_up_in_the_end(server, monkeypatch):
    ana = await server.registered("ana")
    await requested(ana)

    async def broken(db, user_id):
        if user_id is not None:
            raise RuntimeError("on purpose")
        yield []

    last = export_parts.PARTS[-1]
    monkeypatch.setattr(
        export_parts, "PARTS", [*export_parts.PARTS[:-1], replace(last, rows=broken)]
    )
    for _ in range(exporting.ATTEMPTS - 1):
        assert await exporting.make_next(server.program.services)
        (export,) = (await ana.ask(MINE))["viewer"]["dataExports"]
        assert export["state"] == "QUEUED"
    assert await exporting.make_next(server.program.services)
    (export,) = (await ana.ask(MINE))["viewer"]["dataExports"]
    assert (export["state"], export["url"]) == ("FAILED", None)
    assert await count(server, export_chunks) == 0
    assert not await exporting.make_next(server.program.services)
    monkeypatch.undo()
    await made(server, ana)


async def test_two_workers_do_not_make_the_same_export(server):
    import asyncio

    people = [await server.registered(f"person{n}") for n in range(4)]
    for person in people:
        await requested(person)
    services = server.program.services
    turns = await asyncio.gather(*(exporting.make_next(services) for _ in range(8)))
    while await exporting.make_next(services):  # whoever found the row locked looked no further
        turns.append(True)
    assert turns.count(True) == 4
    for person in people:
        (export,) = (await person.ask(MINE))["viewer"]["dataExports"]
        assert export["state"] == "READY"


# --- fetching -------------------------------------------------------------------------------------


async def test_a_file_is_an_attachment_that_no_page_can_use(server):
    ana = await server.registered("ana")
    response = await fetched(server, (await made(server, ana))["url"])
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"].startswith('attachment; filename="hubbub-')
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    async with server.program.services.db.reading() as connection:
        acts = (await connection.execute(sa.select(audit_log.c.act))).scalars().all()
    assert acts.count("export_downloaded") == 1


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=390-810", 390, 810),
        ("bytes=400-", 400, None),
        ("bytes=-7", -7, None),
        ("bytes=100-99999999", 100, None),
        ("bytes=-99999999", 0, None),
    ],
)
async def test_an_interrupted_download_goes_on_where_it_stopped(server, asked, first, last):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    await talk(ana, bob)
    export = await made(server, ana)
    whole = (await fetched(server, export["url"])).content
    part = await fetched(server, export["url"], range=asked)
    assert part.status_code == 206
    end = len(whole) - 1 if last is None else last
    start = first % len(whole)
    assert part.headers["content-range"] == f"bytes {start}-{end}/{len(whole)}"
    assert part.content == whole[start : end + 1]


async def test_odd_ranges_are_answered_with_the_file_or_a_clear_no(server):
    ana = await server.registered("ana")
    export = await made(server, ana)
    whole = (await fetched(server, export["url"])).content
    for odd in ("bytes=-", "lines=0-1", "bytes=0-1,3-4", "bytes=a-b", f"bytes={'9' * 40}-"):
        response = await fetched(server, export["url"], range=odd)
        assert (response.status_code, response.content) == (200, whole)
    for absent in (f"bytes={len(whole)}-", "bytes=9-3", "bytes=-0"):
        response = await fetched(server, export["url"], range=absent)
        assert response.status_code == 416
        assert response.headers["content-range"] == f"bytes */{len(whole)}"
    changed = await fetched(server, export["url"], range="bytes=0-1", **{"if-range": '"other"'})
    assert (changed.status_code, changed.content) == (200, whole)


async def test_asking_for_the_head_sends_no_file(server):
    ana = await server.registered("ana")
    export = await made(server, ana)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        response = await http.head(export["url"])
    assert response.headers["content-length"] == str(int(export["size"]))
    assert response.content == b""


async def test_a_link_that_is_not_good_opens_nothing(server, monkeypatch):
    ana = await server.registered("ana")
    url = (await made(server, ana))["url"]
    path, key = url.split("?key=")
    bad = [
        path,
        f"{path}?key=",
        f"{path}?key={key[:-4]}AAAA",
        f"{path}?key=%00",
        "/exports/x?key=é",
    ]
    for link in bad:
        assert (await fetched(server, link)).status_code == 404
    assert (await fetched(server, "/exports/")).status_code == 404
    assert (await fetched(server, f"/exports/any?key={key}")).status_code == 200
    monkeypatch.setattr(use_cases, "LINK_LIFETIME", timedelta(seconds=-1))
    ((late,),) = ([e["url"] for e in (await ana.ask(MINE))["viewer"]["dataExports"]],)
    assert (await fetched(server, late)).status_code == 404


@pytest.mark.parametrize("column", ["suspended_at", "deleted_at"])
async def test_a_link_opens_nothing_when_its_person_is_gone(server, column):
    ana = await server.registered("ana")
    url = (await made(server, ana))["url"]
    await change(server, users, **{column: utc_now()})
    assert (await fetched(server, url)).status_code == 404


async def test_a_link_is_in_no_log(server, caplog, capsys):
    ana = await server.registered("ana")
    url = (await made(server, ana))["url"]
    await fetched(server, url)
    await fetched(server, url[:-1])
    key = url.split("?key=")[1]
    told = capsys.readouterr()
    assert key[:-1] not in told.out + told.err + caplog.text


async def test_a_file_is_deleted_after_a_week_and_the_note_of_it_a_month_later(server):
    ana = await server.registered("ana")
    url = (await made(server, ana))["url"]
    await change(server, exports, expires_at=utc_now() - timedelta(seconds=1))
    assert (await fetched(server, url)).status_code == 404
    (export,) = (await ana.ask(MINE))["viewer"]["dataExports"]
    assert export["url"] is None
    await worker.prune_exports(server.program.services, server.settings)
    (export,) = (await ana.ask(MINE))["viewer"]["dataExports"]
    assert (export["state"], export["size"]) == ("EXPIRED", None)
    assert await count(server, export_chunks) == 0
    await change(server, exports, expires_at=utc_now() - timedelta(days=31))
    await worker.prune_exports(server.program.services, server.settings)
    assert (await ana.ask(MINE))["viewer"]["dataExports"] == []


async def test_one_may_log_in_again_for_another_link(server):
    ana = await server.registered("ana")
    await made(server, ana)
    again = server.person()
    await again.log_in("ana", PASSWORD)
    (export,) = (await again.ask(MINE))["viewer"]["dataExports"]
    assert (await fetched(server, export["url"])).status_code == 200
