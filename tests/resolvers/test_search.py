"""Finding messages: which words find what, for whom, in which order; the same on both."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import members, search
from models.errors import InvalidInput, NotFound, TooLong
from models.messages import messages
from models.search import Text, Wanted, search_entries
from models.search_query import MAX_QUERY, parse
from models.terms import Terms
from resolvers import indexing
from resolvers import members as member_cases
from resolvers import messages as message_cases
from resolvers import search as use_cases
from resolvers.services import utc_now
from resolvers.snippets import found as spans
from tests.parts.world import World, open_world


async def found(world: World, viewer, query: str, *, limit=50, before=None, **wanted) -> list[str]:
    """Return the texts that somebody finds, the newest first."""
    result = await use_cases.find(
        world.services, viewer, query, Wanted(**wanted), before=before, limit=limit
    )
    return [hit.message.text for hit in result.hits]


@pytest.fixture
async def ana(world):
    return await world.person("ana")


@pytest.fixture
async def ben(world):
    return await world.person("ben")


@pytest.fixture
async def team(world, ana, ben):
    return await world.group(ana, ben)


SAID = [
    "The runner was running past organizations",
    "Мы организовали встречу в Москве, ёлка стоит",
    "Café Ångström, straße und STRASSE",
    "See https://docs.example.org/guide?x=1 or mail ana@example.org",
    "日本語のテスト 😀",
    "don't panic: C++ & <b>HTML</b> foo_bar 3.14",
]
FINDS = [
    ("run", [0]),
    ("RUNS organization", [0]),
    ("running", [0]),
    ('"was running"', [0]),
    ('"were running"', []),
    ('"running was"', []),
    ("организовать", [1]),
    ("встреча москва", [1]),
    ("елка", [1]),
    ("ЁЛКИ", [1]),
    ("cafe", [2]),
    ("CAFÉ angstrom", [2]),
    ("strasse", [2]),
    ("example.org", [3]),
    ("guide", [3]),
    ("ana@example.org", [3]),
    ("org.example", []),
    ("日本語", [4]),
    ("本日", []),
    ("テスト", [4]),
    ("😀", [4]),
    ("html", [5]),
    ("foo_bar", [5]),
    ("don't", [5]),
    ("3.14", [5]),
    ("orga*", [0]),
    ("орган*", [1]),
    ('"running pas"*', [0]),
    ("running -past", []),
    ("running -future", [0]),
    ('running -"past the"', [0]),
    ("nothing", []),
    ("AND", []),
    ("NEAR(run past)", []),
    ("words:run", []),
    ("'run' | 'x' & !(", []),
    ("run:*", [0]),
]


@pytest.mark.parametrize(("query", "numbers"), FINDS, ids=[query for query, _ in FINDS])
def test_what_is_marked_in_a_text_is_what_finds_it(query, numbers):
    terms = Terms()
    conditions = parse(query, terms)
    for number in numbers:
        assert spans(SAID[number], conditions, terms)


async def test_words_find_the_same_messages_on_both_databases(world, ana, team):
    for text in SAID:
        await world.send(ana, team, text)
    for query, numbers in FINDS:
        assert await found(world, ana, query) == [SAID[n] for n in reversed(numbers)], query


@pytest.mark.parametrize(
    "query", ["", "   ", "!!!", "-run", '""', '-"a b"', "*", "ab*", "a " * 17, '"']
)
async def test_a_query_without_enough_in_it_or_with_too_much_is_refused(world, ana, query):
    with pytest.raises(InvalidInput) as refused:
        await found(world, ana, query)
    assert refused.value.path == ("query",)


async def test_a_query_that_is_too_long_is_refused(world, ana):
    with pytest.raises(TooLong):
        await found(world, ana, "x" * (MAX_QUERY + 1))


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(query=st.text(max_size=40) | st.from_regex(r'[-"*a-z& |()\'\\:<>!@_=]{0,30}'))
async def test_any_text_is_a_query_or_is_refused(world, query):
    if "\0" in query or any("\ud800" <= character <= "\udfff" for character in query):
        return
    try:
        conditions = parse(query, world.services.terms)
    except InvalidInput:
        return
    viewer = (await members_of(world))[0]
    async with world.services.db.reading() as connection:
        hits = await search.find(
            connection, viewer, conditions, Wanted(), now=utc_now(), before=None, limit=3
        )
    assert hits == []


async def members_of(world):
    """Return somebody who is in a chat, in a world that has one from then on."""
    async with world.services.db.reading() as connection:
        there = (await connection.execute(sa.select(members.members.c.user_id))).scalars().all()
    if not there:
        ana = await world.person("ana")
        await world.group(ana)
        return [ana.user_id]
    return there


async def test_the_newest_comes_first_and_pages_do_not_overlap(world, ana, ben, team):
    other = await world.group(ben, ana)
    for number in range(12):
        await world.send(
            ana if number % 2 else ben, other if number % 3 else team, f"word {number}"
        )
    first = await use_cases.find(world.services, ana, "word", Wanted(), before=None, limit=5)
    assert [hit.message.text for hit in first.hits] == [f"word {n}" for n in (11, 10, 9, 8, 7)]
    await world.send(ben, team, "word written meanwhile")
    rest = await found(world, ana, "word", before=first.hits[-1].id)
    assert rest == [f"word {n}" for n in (6, 5, 4, 3, 2, 1, 0)]


async def test_only_what_somebody_may_read_is_found(world, ana, ben, team):
    await world.send(ana, team, "secret before")
    cyd = await world.person("cyd")
    await member_cases.add(world.services, ana, chat_id=team.id, user_ids=[cyd.user_id])
    await world.send(ana, team, "secret after")
    assert await found(world, cyd, "secret") == ["secret after"]
    assert await found(world, cyd, "secret", chat_id=team.id) == ["secret after"]
    outsider = await world.person("out")
    assert await found(world, outsider, "secret") == []
    with pytest.raises(NotFound):
        await found(world, outsider, "secret", chat_id=team.id)
    await world.group(outsider)
    assert await found(world, outsider, "secret") == []
    await member_cases.remove(world.services, ana, chat_id=team.id, user_id=cyd.user_id)
    assert await found(world, cyd, "secret") == []
    with pytest.raises(NotFound):
        await found(world, cyd, "secret", chat_id=team.id)
    assert await found(world, ben, "secret") == ["secret after", "secret before"]


async def test_an_edited_message_is_found_by_its_new_text_alone(world, ana, team):
    message = await world.send(ana, team, "first version")
    key = (team.id, message.seq)
    await message_cases.edit(world.services, ana, key=key, text="second wording")
    assert await found(world, ana, "version") == []
    assert await found(world, ana, "wording") == ["second wording"]


async def test_a_deleted_message_is_not_found_and_has_no_entry(world, ana, team):
    message = await world.send(ana, team, "forget me")
    await message_cases.delete(world.services, ana, key=(team.id, message.seq))
    assert await found(world, ana, "forget") == []
    async with world.services.db.reading() as connection:
        assert (await connection.execute(sa.select(search_entries.c.id))).all() == []


async def test_an_entry_left_over_shows_nothing_of_a_deleted_message(world, ana, team):
    message = await world.send(ana, team, "forget me")
    async with world.services.db.writing() as connection:
        await connection.execute(
            messages.update()
            .where(messages.c.chat_id == team.id, messages.c.seq == message.seq)
            .values(text="", deleted_at=utc_now())
        )
    assert await found(world, ana, "forget") == []


async def test_an_expired_message_is_not_found_though_it_is_there_still(world, ana, team):
    await world.send(ana, team, "short lived")
    past = utc_now() - timedelta(milliseconds=1)
    async with world.services.db.writing() as connection:
        await connection.execute(messages.update().values(expires_at=past))
    assert await found(world, ana, "short") == []


async def test_filters_narrow_what_is_found(world, ana, ben, team):
    other = await world.group(ana)
    await world.send(ana, team, "tea in the team")
    await world.send(ben, team, "tea by Ben")
    await world.send(ana, other, "tea alone https://tea.example")
    async with world.services.db.writing() as connection:
        await connection.execute(
            messages.update()
            .where(messages.c.chat_id == other.id)
            .values(has_link=True, created_at=utc_now() + timedelta(days=1))
        )
    alone, by_ben, in_team = "tea alone https://tea.example", "tea by Ben", "tea in the team"
    soon = utc_now() + timedelta(hours=1)
    assert await found(world, ana, "tea") == [alone, by_ben, in_team]
    assert await found(world, ana, "tea", chat_id=team.id) == [by_ben, in_team]
    assert await found(world, ana, "tea", sender_id=ben.user_id) == [by_ben]
    assert await found(world, ana, "tea", sender_id=ana.user_id, chat_id=team.id) == [in_team]
    assert await found(world, ana, "tea", has_link=True) == [alone]
    assert await found(world, ana, "tea", has_link=False) == [by_ben, in_team]
    assert await found(world, ana, "tea", sent_from=soon) == [alone]
    assert await found(world, ana, "tea", sent_until=soon) == [by_ben, in_team]
    assert await found(world, ana, "tea", kind="poll") == []
    assert await found(world, ana, "tea", kind="text") == [alone, by_ben, in_team]


async def test_ids_of_chats_and_people_are_no_words(world, ana, team):
    await world.send(ana, team, "hello")
    for words in (f"_c{team.id.hex}", f"c{team.id.hex}", f"_u{ana.user_id.hex}", "_e0", "e0"):
        assert await found(world, ana, words) == []


async def test_somebody_in_many_chats_finds_the_same(world, ana, monkeypatch):
    monkeypatch.setattr(search, "FEW_CHATS", 2)
    ben = await world.person("ben")
    rooms = [await world.group(ana) for _ in range(4)]
    hidden = await world.group(ben)
    for number, room in enumerate(rooms):
        await world.send(ana, room, f"common {number}")
        await world.send(ben, hidden, "common, elsewhere")
    assert await found(world, ana, "common") == [f"common {n}" for n in (3, 2, 1, 0)]


async def test_pages_are_whole_across_eras(postgres_world):
    """Entries get numbers far apart, so that few of them share an era; SQLite's index has none."""
    world = postgres_world
    ana = await world.person("ana")
    team = await world.group(ana)
    async with world.services.db.writing() as connection:
        for number in range(40):
            await connection.execute(
                sa.text("SELECT setval('search_entries_id_seq', :id)"), {"id": 1 + number * 700}
            )
            text = Text(team.id, number + 1, ana.user_id, f"word {number}")
            await search.add(connection, world.services.terms, [text])
    for number in range(40):
        await unindexed(world, ana, team, f"word {number}")
    everything = [f"word {n}" for n in reversed(range(40))]
    assert await found(world, ana, "word") == everything
    seen: list[str] = []
    before = None
    while True:
        page = await use_cases.find(world.services, ana, "word", Wanted(), before=before, limit=3)
        seen += [hit.message.text for hit in page.hits]
        if len(page.hits) < 3:
            break
        before = page.hits[-1].id
    assert seen == everything


async def unindexed(world, viewer, chat, text):
    """Store a message whose entry is there already."""
    async with world.services.db.writing() as connection:
        seq = (
            await connection.execute(
                sa.select(sa.func.coalesce(sa.func.max(messages.c.seq), 0) + 1).where(
                    messages.c.chat_id == chat.id
                )
            )
        ).scalar_one()
        await connection.execute(
            messages.insert().values(
                chat_id=chat.id,
                seq=seq,
                sender_id=viewer.user_id,
                text=text,
                client_message_id=UUID(int=seq),
                content_hash=b"",
                created_at=utc_now(),
            )
        )


async def test_another_choice_of_languages_holds_after_reindexing(world, ana, team):
    await world.send(ana, team, "Die Häuser der Stadt")
    german = replace(world.services, terms=Terms(["german"]))

    async def found_in_german() -> int:
        found = await use_cases.find(german, ana, "Häusern", Wanted(), before=None, limit=5)
        return len(found.hits)

    assert await found_in_german() == 0
    told: list[int] = []
    assert await indexing.reindex(german, told.append) == 1
    assert told == [1]
    assert await found_in_german() == 1


async def test_the_index_of_sqlite_agrees_with_its_entries(migrated_sqlite_url):
    async with open_world(migrated_sqlite_url) as world:
        ana = await world.person("ana")
        team = await world.group(ana)
        sent = [await world.send(ana, team, f"message {n} of all") for n in range(9)]
        await message_cases.edit(world.services, ana, key=(team.id, sent[1].seq), text="changed")
        await message_cases.delete(world.services, ana, key=(team.id, sent[2].seq))
        path = world.services.db.sqlite_file()
    connection = sqlite3.connect(path)
    # Raises if the index is not what the content is. https://sqlite.org/fts5.html §6.4
    connection.execute(
        "INSERT INTO search_index (search_index, rank) VALUES ('integrity-check', 1)"
    )
    assert connection.execute("SELECT count(*) FROM search_entries").fetchone() == (8,)
    connection.close()
