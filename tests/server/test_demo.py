"""The demo's world: it fills an empty server, and every count in it is right."""

from __future__ import annotations

import asyncio
import io
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa
from rich.console import Console

from models.base import metadata
from models.chats import chats
from models.events import events
from models.leases import node_leases
from models.log_state import log_state
from models.members import members
from models.messages import messages
from models.sign_up import sign_up_policy
from models.signing_keys import signing_keys
from models.word_filters import word_filter_version
from resolvers import markup
from resolvers.messages import content_hash
from server.demo import PASSWORD, NotEmpty, fill, scripts
from server.demo.people import BY_HANDLE, PEOPLE, SHOWN
from server.demo.plots import PLOTS
from server.demo.story import Stories
from server.demo.telling import tell
from tests.parts.hubbub import run_hubbub

COUNT = 700  # enough for somebody to come and go, and for edits and deletions, in some chat
FILLED = (log_state, sign_up_policy, word_filter_version, node_leases, signing_keys)
NOW = datetime(2031, 3, 5, 7, 30, tzinfo=UTC)


@pytest.fixture
def services(server):
    """The services of a server on an empty database."""
    return server.program.services


async def filled(services, *, count=COUNT, **given):
    """Fill the server and return what was printed."""
    output = io.StringIO()
    console = Console(file=output, width=100, highlight=False)
    await fill(services, message_count=count, console=console, **given)
    return output.getvalue()


async def rows(services, table, *order):
    async with services.db.reading() as connection:
        return (await connection.execute(sa.select(table).order_by(*order))).all()


async def counts(services):
    async with services.db.reading() as connection:
        return {
            table.name: (
                await connection.execute(sa.select(sa.func.count()).select_from(table))
            ).scalar_one()
            for table in metadata.sorted_tables
            # The rows of three come with the migrations, those of the others with the node.
            if table not in FILLED
        }


def by_chat(found):
    sorted_out = defaultdict(list)
    for row in found:
        sorted_out[row.chat_id].append(row)
    return sorted_out


class Replay:
    """What a chat's log says about the chat, checked step by step against its other rows."""

    def __init__(self, chat, stays, history):
        self.chat = chat
        self.stays = stays
        self.history = {message.seq: message for message in history}
        self.present = {s.user_id: "member" for s in stays if s.joined_seq == 1}
        self.sent = 0
        self.last_activity_at = chat.created_at
        self.changed = {}  # when, by message and kind
        self.comings_and_goings = []
        self.told = 0  # of them, in messages of the chat's own

    def take(self, event):
        getattr(self, event.kind)(event)
        if event.kind in ("member_joined", "member_left"):
            self.comings_and_goings.append(event)

    def chat_created(self, event):
        assert event.seq == 1
        assert event.actor_id == self.chat.created_by
        assert event.created_at == self.chat.created_at
        if self.chat.kind == "group":
            self.present[event.actor_id] = "owner"

    def member_role_changed(self, event):
        assert self.present[event.actor_id] == "owner"
        self.present[event.subject_id] = "admin"

    def member_joined(self, event):
        assert self.present[event.actor_id] in ("owner", "admin")
        assert event.subject_id not in self.present
        self.present[event.subject_id] = "member"
        (stay,) = [s for s in self.stays if s.joined_seq == event.seq]
        assert stay.user_id == event.subject_id
        assert stay.first_message_seq == self.sent + 1
        assert stay.joined_at == event.created_at

    def member_left(self, event):
        assert event.actor_id == event.subject_id
        del self.present[event.subject_id]
        (stay,) = [s for s in self.stays if s.user_id == event.subject_id]
        assert stay.left_seq == event.seq

    def message_sent(self, event):
        self.sent += 1
        self.last_activity_at = event.created_at
        message = self.history[event.message_seq]
        assert event.message_seq == self.sent
        assert event.actor_id == message.sender_id
        assert event.created_at == message.created_at
        if message.kind == "system":
            self.said(event, message)
            return
        assert message.kind == "text"
        assert event.actor_id in self.present
        if message.reply_to_seq is not None:
            (stay,) = [s for s in self.stays if s.user_id == message.sender_id]
            assert stay.first_message_seq <= message.reply_to_seq < message.seq
            assert ("deleted", message.reply_to_seq) not in self.changed

    def said(self, event, message):
        """Take a message of the chat's own: it tells who came or went just before."""
        coming_or_going = self.comings_and_goings[self.told]
        self.told += 1
        assert coming_or_going.seq == event.seq - 1
        assert coming_or_going.created_at == event.created_at
        assert coming_or_going.actor_id == message.sender_id
        assert coming_or_going.subject_id == message.subject_id
        what = {"member_joined": "member_added", "member_left": "member_left"}
        assert message.details == {"what": what[coming_or_going.kind], "count": 1}
        assert message.text == ""

    def message_edited(self, event):
        assert event.actor_id == self.history[event.message_seq].sender_id
        self.changed["edited", event.message_seq] = event.created_at

    def message_deleted(self, event):
        assert event.actor_id == self.history[event.message_seq].sender_id
        self.changed["deleted", event.message_seq] = event.created_at


async def test_every_chat_is_what_its_log_makes_of_it(services):
    await filled(services, now=NOW)
    stays = by_chat(await rows(services, members, members.c.id))
    history = by_chat(await rows(services, messages, messages.c.seq))
    log = by_chat(await rows(services, events, events.c.seq))
    for chat in await rows(services, chats, chats.c.id):
        replay = Replay(chat, stays[chat.id], history[chat.id])
        moment = chat.created_at
        for seq, event in enumerate(log[chat.id], start=1):
            assert event.seq == seq
            assert event.created_at >= moment
            moment = event.created_at
            replay.take(event)
        assert chat.last_event_seq == len(log[chat.id])
        assert chat.last_message_seq == replay.sent == len(history[chat.id])
        assert chat.last_activity_at == replay.last_activity_at
        assert chat.member_count == len(replay.present)
        assert replay.told == len(replay.comings_and_goings)
        assert replay.present == {
            stay.user_id: stay.role for stay in stays[chat.id] if stay.left_seq is None
        }
        assert replay.changed == {
            (kind, message.seq): when
            for message in history[chat.id]
            for kind, when in (("edited", message.edited_at), ("deleted", message.deleted_at))
            if when is not None
        }
    kinds = Counter(event.kind for events_ in log.values() for event in events_)
    assert len(kinds) == 7, "the world shows every kind of event"
    told = kinds["member_joined"] + kinds["member_left"]
    assert kinds["message_sent"] == COUNT + told


async def test_the_log_of_all_chats_together_is_in_the_order_of_time(services):
    await filled(services, now=NOW)
    moments = [event.created_at for event in await rows(services, events, events.c.id)]
    assert moments == sorted(moments)
    assert moments[-1] < NOW
    assert NOW - moments[-1] < timedelta(minutes=10)
    assert timedelta(days=59) < NOW - moments[0] < timedelta(days=75)


async def test_who_wrote_has_read_and_nobody_has_read_more_than_there_is(services):
    await filled(services)
    last = {chat.id: chat.last_message_seq for chat in await rows(services, chats, chats.c.id)}
    own = defaultdict(int)
    for message in await rows(services, messages, messages.c.seq):
        if message.details != {"what": "member_left", "count": 1}:  # who is told of has gone
            own[message.chat_id, message.sender_id] = message.seq
    behind = 0
    for stay in await rows(services, members, members.c.id):
        least = max(own[stay.chat_id, stay.user_id], stay.first_message_seq - 1)
        assert least <= stay.read_seq <= last[stay.chat_id]
        behind += stay.read_seq < last[stay.chat_id]
    assert behind > 0, "somebody has something to read"


async def test_members_are_listed_in_the_order_in_which_they_came(services):
    await filled(services)
    for stays in by_chat(await rows(services, members, members.c.id)).values():
        joined = [stay.joined_seq for stay in stays]
        assert joined == sorted(joined)
    for chat in await rows(services, chats, chats.c.id):
        first = next(s for s in await rows(services, members, members.c.id) if s.chat_id == chat.id)
        assert first.user_id == chat.created_by


async def test_what_was_sent_is_remembered_as_the_use_case_does(services):
    await filled(services)
    written = [m for m in await rows(services, messages) if m.kind != "system"]
    assert len(written) == COUNT
    for message in written:
        reply = message.reply_to_seq and (message.chat_id, message.reply_to_seq)
        of_text = content_hash(services, message.chat_id, message.text, reply)
        changed = message.edited_at is not None or message.deleted_at is not None
        assert (message.content_hash == of_text) is not changed
        assert (message.text == "") is (message.deleted_at is not None)
        assert message.has_link is bool(markup.links(message.text))
    assert any(message.has_link for message in written)


MINE = """{ viewer { unreadCount user { handle } chats(first: 200) { nodes {
  id title
  viewerMembership { readSeq unreadCount }
  lastMessage { seq }
} } } }"""
HISTORY = """query($id: ID!) { chat(id: $id) { messages(last: 200) { nodes {
  id seq text clientMessageId editedAt deletedAt replyTo { id } sender { handle }
} } } }"""


async def history(person, chat):
    """Return the newest messages of a chat."""
    return (await person.ask(HISTORY, id=chat["id"]))["chat"]["messages"]["nodes"]


async def test_the_log_ins_that_are_printed_work_and_show_what_is_promised(server, services):
    printed = await filled(services)
    for handle in SHOWN:
        person = server.person()
        await person.log_in(handle, PASSWORD)
        viewer = (await person.ask(MINE))["viewer"]
        (line,) = [line.split() for line in printed.splitlines() if line.split()[:1] == [handle]]
        assert str(len(viewer["chats"]["nodes"])) in line
        assert str(viewer["unreadCount"]) in line


async def test_the_conversation_goes_on_where_the_demo_left_it(server, services):
    await filled(services)
    maya = server.person()
    await maya.log_in("maya", PASSWORD)
    messages_of_hers = [
        (chat, message)
        for chat in (await maya.ask(MINE))["viewer"]["chats"]["nodes"]
        for message in await history(maya, chat)
    ]
    chat, own = next(
        (chat, message)
        for chat, message in messages_of_hers
        if message["sender"]["handle"] == "maya"
        and not (message["replyTo"] or message["editedAt"] or message["deletedAt"])
    )
    again = await maya.send(chat["id"], own["text"], clientMessageId=own["clientMessageId"])
    assert again["id"] == own["id"], "a retry finds what the demo stored"
    sent = await maya.send(chat["id"], "And now for something new.")
    assert sent["seq"] == chat["lastMessage"]["seq"] + 1


async def test_somebody_who_came_later_sees_what_was_said_since(server, services):
    await filled(services)
    wei = server.person()
    await wei.log_in("wei", PASSWORD)
    nodes = (await wei.ask(MINE))["viewer"]["chats"]["nodes"]
    (team,) = [chat for chat in nodes if chat["title"] == "Tidewater"]
    seqs = [message["seq"] for message in await history(wei, team)]
    assert seqs[0] > 1
    assert seqs == list(range(seqs[0], team["lastMessage"]["seq"] + 1))


@pytest.mark.parametrize("count", [100, 101, 999])
async def test_there_are_as_many_messages_as_were_asked_for(services, count):
    printed = await filled(services, count=count)
    stored = await counts(services)
    of_the_chats = [m for m in await rows(services, messages) if m.kind == "system"]
    assert stored["messages"] == count + len(of_the_chats)
    assert stored["chats"] == len(PLOTS)
    assert stored["users"] == len(PEOPLE)
    assert f"{count} messages" in printed


async def test_a_server_with_people_is_refused_and_stays_as_it_is(server, services):
    await server.registered("ana")
    before = await counts(services)
    with pytest.raises(NotEmpty, match="people on this server already"):
        await filled(services)
    assert await counts(services) == before


async def test_of_two_demos_at_once_one_fills_the_server(services):
    outcomes = await asyncio.gather(
        filled(services, count=200), filled(services, count=300), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {NotEmpty, str}
    written = [m for m in await rows(services, messages) if m.kind != "system"]
    assert len(written) in (200, 300)


async def test_a_run_that_fails_at_the_end_leaves_the_server_empty(services):
    # Members are the last rows to come, so the database takes everything else before.
    refuse = (
        "CREATE TRIGGER refuse BEFORE INSERT ON members BEGIN SELECT RAISE(ABORT, 'full'); END"
        if services.db.dialect == "sqlite"
        else "ALTER TABLE members ADD CONSTRAINT refuse CHECK (false)"
    )
    async with services.db.writing() as connection:
        await connection.execute(sa.text(refuse))
    with pytest.raises(sa.exc.IntegrityError):
        await filled(services)
    assert {name: count for name, count in (await counts(services)).items() if count} == {}


def told(seed, now):
    """Return what is said in the chats of a world, one list per chat."""
    return [
        [
            (message.who.handle, message.text)
            for _, scene in story.scenes
            for message in scene.spoken
        ]
        for story in Stories(seed, scripts.load()).all(400, now)
    ]


def test_the_same_seed_tells_the_same_at_any_time_and_another_seed_something_else():
    assert told("one", NOW) == told("one", NOW + timedelta(days=1.5))
    assert told("one", NOW) != told("two", NOW)


def test_every_script_can_be_told_whatever_words_are_chosen():
    rng = Random(1)
    for source in scripts.load().values():
        for script in source:
            open_to_all = [role for role in script.roles if len(role) == 1]
            for _ in range(30):
                cast = dict(zip(open_to_all, rng.sample(PEOPLE, len(open_to_all)), strict=True))
                cast |= {handle: BY_HANDLE[handle] for handle in script.named}
                for message in tell(rng, script, cast):
                    assert message.text.strip() == message.text != ""
                    assert not set("{}") & set(message.text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("A: hello\nthis is nobody's line", "no line of a script"),
        ("A > B: answering nobody", "answers somebody who has said nothing"),
    ],
)
def test_a_script_with_a_mistake_is_refused_with_the_line(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        scripts.read("draft", text, {})


def test_the_command_prints_a_plain_table_into_a_pipe_and_refuses_a_second_time(tmp_path):
    done = run_hubbub("demo", "--messages", "100", directory=tmp_path)
    assert "Log in as" in done.stdout
    assert PASSWORD in done.stdout
    assert "hubbub serve" in done.stdout
    assert "\x1b" not in done.stdout
    with pytest.raises(RuntimeError, match="people on this server already"):
        run_hubbub("demo", directory=tmp_path)
