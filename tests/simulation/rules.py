"""What must hold of what devices heard, given all that was committed.

For every device, from one beginning to its end or to the end of the run:

- it hears nothing that was not committed, nothing that is older than its beginning, and no event in
  a state that is older than the event;
- each event at most once, and those of a chat in the chat's order;
- nothing outside its person's stays in chats, so nothing after the leaving, and nothing that
  concerns somebody else alone;
- everything that was committed for it since, without gaps; if it had to fetch afresh, up to there;
- of receipts, the last ones, and never older ones after newer ones;
- it has to fetch afresh only if the log was pruned or replaced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from models.events import EventKind
from realtime.events import (
    ChatEvent,
    Event,
    MemberJoined,
    MemberLeft,
    MessageEvent,
    ReceiptsAdvanced,
)
from tests.simulation.database import Life, Moved, Place, Row
from tests.simulation.devices import Listening
from tests.simulation.node import place
from tests.simulation.world import World

Pair = tuple[UUID, UUID]  # a chat and somebody in it


def due(world: World, listening: Listening, since: int | None = None) -> list[Row]:
    """Return what a device has to be told by now, in the order of commits."""
    first = listening.latest if since is None else since
    if first is None:
        return []
    life = world.db.lives[listening.epoch]
    rows = (row for row in life.history[first:] if isinstance(row, Row))
    return [row for row in rows if _may_see(life, listening, row)]


def complete(world: World, listening: Listening) -> bool:
    """Whether a device has been told all that it has to be told by now."""
    if listening.epoch != world.db.life.epoch:
        return False
    heard = {place(each.event) for each in listening.heard}
    told = all(row.place in heard for row in due(world, listening))
    return told and not any(_receipts_missing(world, listening))


def broken(world: World, listening: Listening) -> Iterator[str]:
    """Yield what is wrong with what a device heard."""
    life = world.db.lives[listening.epoch]
    if not listening.ended and life is not world.db.life:
        yield f"{listening.device} was never told that the log is another one"
    if listening.ended == "expired" and not any(each.pruned for each in world.db.lives.values()):
        yield f"{listening.device} had to resync as if the log had been pruned"
    if listening.ended == "log_replaced" and len(world.db.lives) == 1:
        yield f"{listening.device} had to resync as if the log had been replaced"
    yield from _events_wrong(world, life, listening)
    yield from _events_missing(world, listening)
    yield from _receipts_wrong(world, life, listening)
    if not listening.ended:
        yield from _receipts_missing(world, listening)


def _events_wrong(world: World, life: Life, listening: Listening) -> Iterator[str]:
    rows = {
        row.place: (number, row)
        for number, row in enumerate(life.history, start=1)
        if isinstance(row, Row)
    }
    heard: dict[UUID, list[int]] = defaultdict(list)
    for each in listening.heard:
        if isinstance(each.event, ReceiptsAdvanced):
            continue
        where = f"{listening.device}: {world.title(place(each.event))}"
        number, row = rows.get(place(each.event), (0, None))
        if row is None or row.event.id != each.event.id:
            yield f"{where} is not what was committed in {life.epoch}"
            continue
        if number <= listening.earliest:
            yield f"{where} was heard, and is older than the subscription"
        before = heard[row.place[0]]
        if row.place[1] in before:
            yield f"{where} was heard twice"
        elif row.event.chat_id is not None and before and row.seq < before[-1]:
            yield f"{where} was heard after #{before[-1]}"
        if not _may_see(life, listening, row):
            yield f"{where} was heard, and is none of theirs"
        for problem in _state_wrong(life, listening, row, each.event):
            yield f"{where} {problem}"
        before.append(row.place[1])


def _events_missing(world: World, listening: Listening) -> Iterator[str]:
    heard: dict[UUID, set[int]] = defaultdict(set)
    for each in listening.heard:
        where, number = place(each.event)
        heard[where].add(number)
    for row in due(world, listening):
        where, number = row.place
        if number in heard[where]:
            continue
        later = [each for each in heard[where] if each > number]
        missing = f"{listening.device}: {world.title(row.place)} is missing"
        if not listening.ended:
            yield missing
        elif later and row.event.chat_id is not None:
            yield f"{missing}, though #{min(later)} was heard"


def _receipts_wrong(world: World, life: Life, listening: Listening) -> Iterator[str]:
    moves: dict[Pair, list[tuple[int, int]]] = defaultdict(list)
    for moved in life.history:
        if isinstance(moved, Moved):
            pair = moved.receipt.chat_id, moved.receipt.user_id
            moves[pair].append((moved.receipt.delivered_seq, moved.receipt.read_seq))
    at: dict[Pair, int] = defaultdict(int)
    left: dict[UUID, int] = {}
    for each in listening.heard:
        event = each.event
        if isinstance(event, MemberLeft) and event.user.id == listening.user_id:
            left[event.chat.id] = event.seq
        elif isinstance(event, MemberJoined) and event.user.id == listening.user_id:
            left.pop(event.chat.id, None)
        elif isinstance(event, ReceiptsAdvanced):
            pair = event.chat.id, event.user.id
            where = f"{listening.device}: the pointers of {world.name(pair[1])}"
            # Who is back already may hear of it before the event that says so.
            leaving = event.chat.id, left.get(event.chat.id, 0)
            if leaving[1] and not _back(life, listening.user_id, leaving, each.at):
                yield f"{where} were heard after the leaving"
            try:
                at[pair] = moves[pair].index((event.delivered_seq, event.read_seq), at[pair])
            except ValueError:
                yield f"{where} went back, or never stood there"


def _receipts_missing(world: World, listening: Listening) -> Iterator[str]:
    """Yield whose pointers stand elsewhere than a device knows, though it was in the chat."""
    if listening.latest is None:
        return
    life = world.db.lives[listening.epoch]
    known = {
        (each.event.chat.id, each.event.user.id): (each.event.delivered_seq, each.event.read_seq)
        for each in listening.heard
        if isinstance(each.event, ReceiptsAdvanced)
    }
    joined = {row.place: number for number, row in enumerate(life.history) if isinstance(row, Row)}
    for number, moved in enumerate(life.history):
        if not isinstance(moved, Moved) or life.receipts[moved.stay_id] is not moved:
            continue  # it moved again
        receipt = moved.receipt
        if listening.chat_ids is not None and receipt.chat_id not in listening.chat_ids:
            continue
        state = life.chats[receipt.chat_id]
        mine, theirs = state.present(listening.user_id), state.present(receipt.user_id)
        if mine is None or theirs is None or theirs.id != moved.stay_id:
            continue
        since = max(listening.latest, joined.get((receipt.chat_id, mine.joined_seq), -1))
        pair = receipt.chat_id, receipt.user_id
        if number >= since and known.get(pair) != (receipt.delivered_seq, receipt.read_seq):
            yield f"{listening.device}: the pointers of {world.name(pair[1])} are not the last ones"


def _back(life: Life, user_id: UUID, left: Place, at: float) -> bool:
    """Whether somebody who left with an event was in the chat again before a moment."""
    chat_id, left_seq = left
    committed = {row.place: row.committed_at for row in life.history if isinstance(row, Row)}
    return any(
        stay.user_id == user_id
        and stay.joined_seq > left_seq
        and committed[chat_id, stay.joined_seq] <= at
        for stay in life.chats[chat_id].stays
    )


def _may_see(life: Life, listening: Listening, row: Row) -> bool:
    chat_id = row.event.chat_id
    if chat_id is None:
        return listening.chat_ids is None and row.event.user_id == listening.user_id
    if listening.chat_ids is not None and chat_id not in listening.chat_ids:
        return False
    return any(
        stay.user_id == listening.user_id
        and stay.joined_seq <= row.seq
        and (stay.left_seq is None or row.seq <= stay.left_seq)
        for stay in life.chats[chat_id].stays
    )


def _state_wrong(life: Life, listening: Listening, row: Row, event: Event) -> Iterator[str]:
    """Yield what is wrong with the state that an event came with: older than it, or not theirs."""
    if not isinstance(event, ChatEvent):
        return
    state = life.chats[event.chat.id]
    stays = [stay for stay in state.stays if stay.user_id == listening.user_id]
    left = min((stay.left_seq or 0 for stay in stays if (stay.left_seq or 0) >= row.seq), default=0)
    back = any(stay.joined_seq > row.seq for stay in stays)
    told = [each for each in life.history if isinstance(each, Row)]
    theirs = [each for each in told if each.event.chat_id == event.chat.id]
    if event.chat.title is not None:
        renamed = [each.seq for each in theirs if each.event.kind == EventKind.CHAT_CHANGED]
        if int(event.chat.title) < sum(seq <= row.seq for seq in renamed):
            yield "came with an older title"
        if left and not back and int(event.chat.title) > sum(seq <= left for seq in renamed):
            yield "came with a title from after the leaving"
    elif not left:
        yield "came without a title"
    if not isinstance(event, MessageEvent):
        return
    versions = [
        each.version
        for each in theirs
        if each.event.message_seq == event.message.seq and (not left or each.seq <= left)
    ]
    if not event.message.text:
        if not left:
            yield "came without its text"
    elif int(event.message.text) < row.version:
        yield f"came in version {event.message.text}, and made version {row.version}"
    elif event.message.deleted_at is None and int(event.message.text) > max(versions):
        yield "came in a version from after the leaving"
