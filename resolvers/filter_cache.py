"""The word filters that a node has at hand, so that who writes does not wait for a look-up.

The node asks every few seconds, and only while somebody writes, which lists have been set since it
last asked; mostly none. It keeps which chats have a list at all, and the compiled lists of those
that are written to. So a list takes hold within `RECHECKED` on every node, and at once on the one
where it was set.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from models import word_filters
from models.database import Database
from models.word_filters import SERVER
from resolvers.matching import Matcher

RECHECKED = 5.0  # seconds
# Compiled lists. An ordinary one takes some 100 KB, the largest 3 MB; ten patterns that are looked
# for in odd texts for long enough take 2.5 MB more.
KEPT = 200

_NONE: Sequence[Matcher] = ()


class FilterCache:
    """Compiled lists by chat, as far as they are needed."""

    def __init__(self) -> None:
        """Begin knowing nothing: the first who writes asks."""
        self._seen = 0  # the version up to which changes are known
        self._checked_at = -RECHECKED
        self._set_here = 0  # how often a list was set on this node
        self._with_list: set[UUID] = set()
        self._compiled: OrderedDict[UUID, Matcher] = OrderedDict()
        self._checking = asyncio.Lock()

    def recheck(self) -> None:
        """Ask anew with the next text: a list was set here."""
        self._set_here += 1
        self._checked_at = -RECHECKED

    async def of(self, db: Database, chat_id: UUID) -> Sequence[Matcher]:
        """Return what a text for a chat has to pass, the server's list first."""
        if time.monotonic() - self._checked_at >= RECHECKED:
            await self._check(db)
        if not self._with_list:
            return _NONE
        wanted = [each for each in (SERVER, chat_id) if each in self._with_list]
        if not wanted:
            return _NONE
        return [await self._matcher(db, each) for each in wanted]

    async def _check(self, db: Database) -> None:
        """Learn which lists were set since; those who come meanwhile wait for the one answer."""
        async with self._checking:
            now = time.monotonic()
            if now - self._checked_at < RECHECKED:
                return
            set_here = self._set_here
            # Whatever requests do to the database's connections, messages are sent.
            async with db.aside.reading() as connection:
                changed = await word_filters.changed_since(connection, self._seen)
            for change in changed:
                self._compiled.pop(change.chat_id, None)
                if change.length:
                    self._with_list.add(change.chat_id)
                else:
                    self._with_list.discard(change.chat_id)
                self._seen = change.version
            # What is set while the look-up runs is asked for again.
            if set_here == self._set_here:
                self._checked_at = now

    async def _matcher(self, db: Database, chat_id: UUID) -> Matcher:
        found = self._compiled.get(chat_id)
        if found is not None:
            self._compiled.move_to_end(chat_id)
            return found
        seen = self._seen
        async with db.reading() as connection:
            filters = (await word_filters.of_many(connection, [chat_id]))[chat_id]
        matcher = Matcher(filters)
        # Unless a change became known meanwhile, which this may be from before.
        if seen == self._seen:
            self._compiled[chat_id] = matcher
            if len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        return matcher
