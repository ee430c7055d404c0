"""Webhooks that go out: who makes them, and what can be done with them.

A webhook belongs to its chats, not to who made it: it stays when they go. To see it takes the right
to manage webhooks in one of its chats; to see where it goes, or to change that, in all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from accounts.sealing import SealBroken
from models import audit, chats, members, webhook_deliveries, webhooks
from models.audit import Act as Done
from models.base import new_key
from models.chats import Chat
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import Conflict, Forbidden, InvalidInput, NotFound
from models.events import EventKind, LoggedEvent
from models.users import UserKind
from models.viewer import Viewer
from models.webhook_deliveries import PING, Delivery
from models.webhooks import Webhook
from outbound.errors import BadTarget
from resolvers import webhook_chats
from resolvers.names import MAX_NAME
from resolvers.permissions import Act, allows
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.text import line
from resolvers.webhook_feed import MAX_WAITING
from resolvers.webhook_secrets import Secrets
from resolvers.webhook_sending import KEPT

MAX_CHATS = 50  # of one webhook
MAX_OF_CHAT = 10  # webhooks
MAX_OF_PERSON = 50  # webhooks that they have made


class Changes(TypedDict, total=False):
    """What of a webhook is to be another; what is absent stays."""

    name: str
    url: str
    kinds: Sequence[EventKind]
    chat_ids: Sequence[UUID]
    enabled: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A webhook as somebody sees it: where it goes only if they may change that."""

    webhook: Webhook
    chat_ids: Sequence[UUID]
    managed: bool
    url: str | None


async def create(
    services: Services,
    viewer: Viewer,
    *,
    name: str,
    url: str,
    kinds: Sequence[EventKind],
    chat_ids: Sequence[UUID],
    client: Client = NOWHERE,
) -> tuple[Seen, str]:
    """Have a URL told of what happens in chats from now on; returns also the secret, told once.

    Raises `NotFound`, `Forbidden`, `InvalidInput` or `Conflict`.
    """
    now = utc_now()
    name = _name(name)
    secrets = Secrets.new(_url(services, url))
    stored_kinds, wanted = _kinds(kinds), _chat_ids(chat_ids)
    webhook_id = new_key()
    webhook = Webhook(
        id=webhook_id,
        created_by=viewer.user_id,
        name=name,
        sealed=secrets.sealed(services.outbound.webhook_sealer, webhook_id),
        kinds=stored_kinds,
        created_at=now,
    )
    async with services.db.writing() as connection:
        found = await _managed_chats(connection, viewer, wanted)
        if await webhooks.count_of(connection, viewer.user_id) >= MAX_OF_PERSON:
            raise Conflict(f"Nobody makes more than {MAX_OF_PERSON} webhooks: delete one first.")
        await _require_room(connection, wanted)
        begin = await webhook_chats.beginnings(connection, viewer, found)
        await webhooks.create(connection, webhook, begin)
        await _note(connection, Done.WEBHOOK_CREATED, viewer, webhook_id, client, now)
    return Seen(webhook, wanted, managed=True, url=secrets.url), secrets.secret


async def update(
    services: Services,
    viewer: Viewer,
    *,
    webhook_id: UUID,
    changes: Changes,
    client: Client = NOWHERE,
) -> Seen:
    """Change a webhook; one that is enabled again is told of what happens from then on.

    Raises `NotFound`, `Forbidden`, `InvalidInput` or `Conflict`.
    """
    now = utc_now()
    name = _name(changes["name"]) if "name" in changes else None
    url = _url(services, changes["url"]) if "url" in changes else None
    kinds = _kinds(changes["kinds"]) if "kinds" in changes else None
    wanted = _chat_ids(changes["chat_ids"]) if "chat_ids" in changes else None
    async with services.db.writing() as connection:
        webhook, chat_ids = await _managed(connection, viewer, webhook_id, also=wanted or ())
        if wanted is not None:
            new = [chat_id for chat_id in wanted if chat_id not in chat_ids]
            await _require_room(connection, new)
            rows = await chats.by_ids(connection, wanted)
            for gone in set(chat_ids) - set(wanted):
                webhook = await webhook_chats.forget(connection, webhook, gone)
            begin = await webhook_chats.beginnings(connection, viewer, rows)
            await webhooks.set_chats(connection, webhook_id, begin)
            chat_ids = wanted
        webhook = replace(webhook, name=name or webhook.name, kinds=kinds or webhook.kinds)
        secrets = _opened(services, webhook)
        if url is not None:
            secrets = replace(secrets, url=url) if secrets is not None else Secrets.new(url)
            sealed = secrets.sealed(services.outbound.webhook_sealer, webhook_id)
            webhook = replace(webhook, sealed=sealed)
            rows = await chats.by_ids(connection, chat_ids)
            await webhook_chats.begin_later(connection, viewer, webhook_id, rows)
        webhook = await _switched(connection, webhook, changes.get("enabled"), now)
        await webhooks.change(
            connection,
            webhook_id,
            name=webhook.name,
            kinds=webhook.kinds,
            sealed=webhook.sealed,
            disabled_at=webhook.disabled_at,
            disabled_reason=webhook.disabled_reason,
            failing_since=webhook.failing_since,
            waiting=webhook.waiting,
            due_at=webhook.due_at,
        )
        await _note(connection, Done.WEBHOOK_CHANGED, viewer, webhook_id, client, now)
    return Seen(webhook, chat_ids, managed=True, url=secrets.url if secrets else None)


async def _switched(
    connection: Connection, webhook: Webhook, enabled: bool | None, now: datetime
) -> Webhook:
    """Return a webhook switched on or off, if that is asked for and it is not already."""
    if enabled is None or enabled == (webhook.disabled_at is None):
        return webhook
    if enabled:
        await webhooks.skip_to_present(connection, webhook.id)
        return replace(webhook, disabled_at=None, disabled_reason=None, failing_since=None)
    await webhook_deliveries.drop_waiting(connection, webhook.id)
    return replace(webhook, disabled_at=now, disabled_reason="switched off", waiting=0, due_at=None)


async def delete(
    services: Services,
    viewer: Viewer,
    *,
    webhook_id: UUID,
    chat_id: UUID | None = None,
    client: Client = NOWHERE,
) -> None:
    """Delete a webhook, or have it told nothing more of one chat; without any it is deleted.

    The first takes the right in all its chats, the second in that one. Raises `NotFound` or
    `Forbidden`.
    """
    now = utc_now()
    async with services.db.writing() as connection:
        if chat_id is None:
            await _managed(connection, viewer, webhook_id)
            await webhooks.delete(connection, webhook_id)
        else:
            _, chat_ids = await _seen(connection, viewer, webhook_id)
            if chat_id not in await _rights(connection, viewer, set(chat_ids) & {chat_id}):
                raise NotFound("The chat", path=["chatId"])
            await webhook_chats.take_out(connection, webhook_id, chat_id)
        await _note(connection, Done.WEBHOOK_DELETED, viewer, webhook_id, client, now)


async def rotate_secret(
    services: Services, viewer: Viewer, *, webhook_id: UUID, client: Client = NOWHERE
) -> tuple[Seen, str]:
    """Give a webhook another secret; the one before is good for a while. Raises as `update`."""
    now = utc_now()
    async with services.db.writing() as connection:
        webhook, chat_ids = await _managed(connection, viewer, webhook_id)
        secrets = _opened(services, webhook)
        if secrets is None:
            raise Conflict("The webhook cannot be read any more: delete it, and make another one.")
        secrets = secrets.rotated(now)
        sealed = secrets.sealed(services.outbound.webhook_sealer, webhook_id)
        await webhooks.change(connection, webhook_id, sealed=sealed)
        await _note(connection, Done.WEBHOOK_SECRET_ROTATED, viewer, webhook_id, client, now)
    seen = Seen(replace(webhook, sealed=sealed), chat_ids, managed=True, url=secrets.url)
    return seen, secrets.secret


async def test(services: Services, viewer: Viewer, *, webhook_id: UUID) -> UUID:
    """Queue a delivery that tells of nothing, and return the id that the receiver will see.

    Raises `NotFound`, `Forbidden`, `Conflict` or `RateLimited`.
    """
    await services.rates.spend(Rate.WEBHOOK_TEST, str(viewer.user_id))
    now = utc_now()
    async with services.db.writing() as connection:
        webhook, _ = await _managed(connection, viewer, webhook_id)
        if webhook.disabled_at is not None:
            raise Conflict("The webhook is disabled: enable it first.", path=["webhookId"])
        if webhook.waiting >= MAX_WAITING:
            raise Conflict("Too much waits to be sent already.", path=["webhookId"])
        ping = LoggedEvent(0, None, None, None, PING, viewer.user_id, None, None, now)
        (key,) = await webhook_deliveries.queue(connection, webhook_id, [ping])
        await webhooks.change(
            connection, webhook_id, waiting=webhook.waiting + 1, due_at=webhook.due_at or now
        )
    return key


async def of_chats(
    services: Services, viewer: Viewer, of: Iterable[Chat]
) -> dict[UUID, list[Seen]]:
    """Return the webhooks of those of the chats whose webhooks are the viewer's to see.

    Bots see none, whatever their role: where one goes is more than any scope allows.
    """
    if viewer.kind is not UserKind.PERSON:
        return {}
    async with services.db.reading() as connection:
        by_id = {chat.id: chat for chat in of}
        mine = await members.of_chats(connection, viewer.user_id, by_id)
        allowed = [
            chat_id
            for chat_id, me in mine.items()
            if allows(by_id[chat_id], me, Act.MANAGE_WEBHOOKS)
        ]
        found = await webhooks.of_chats(connection, allowed)
        rows = {webhook.id: webhook for each in found.values() for webhook in each}
        seen = await _as_seen(services, connection, viewer, rows)
    return {chat_id: [seen[webhook.id] for webhook in each] for chat_id, each in found.items()}


async def deliveries(services: Services, seen: Iterable[Seen]) -> dict[UUID, list[Delivery]]:
    """Return the last deliveries of webhooks that the viewer manages."""
    managed = [each.webhook.id for each in seen if each.managed]
    async with services.db.reading() as connection:
        return await webhook_deliveries.latest(connection, managed, limit=KEPT)


async def _as_seen(
    services: Services, connection: Connection, viewer: Viewer, rows: dict[UUID, Webhook]
) -> dict[UUID, Seen]:
    of_each = await webhooks.chats_of(connection, rows)
    everywhere = {chat_id for chat_ids in of_each.values() for chat_id in chat_ids}
    allowed = await _rights(connection, viewer, everywhere)
    seen = {}
    for webhook_id, webhook in rows.items():
        managed = set(of_each[webhook_id]) <= allowed
        secrets = _opened(services, webhook) if managed else None
        seen[webhook_id] = Seen(
            webhook, of_each[webhook_id], managed, secrets.url if secrets else None
        )
    return seen


def _opened(services: Services, webhook: Webhook) -> Secrets | None:
    try:
        return Secrets.opened(services.outbound.webhook_sealer, webhook.id, webhook.sealed)
    except SealBroken:
        return None  # sealed with a key that this server had before


async def _rights(connection: Connection, viewer: Viewer, chat_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the chats in which the viewer manages webhooks."""
    readable = await chats.readable_many(connection, viewer.user_id, chat_ids)
    mine = await members.of_chats(connection, viewer.user_id, readable)
    return {
        chat_id
        for chat_id, me in mine.items()
        if allows(readable[chat_id], me, Act.MANAGE_WEBHOOKS)
    }


async def _managed_chats(
    connection: Connection, viewer: Viewer, chat_ids: Sequence[UUID]
) -> dict[UUID, Chat]:
    """Return chats, locked, in all of which the viewer manages webhooks.

    Raises `NotFound` or `Forbidden`.
    """
    await chats.lock(connection, chat_ids)
    readable = await chats.readable_many(connection, viewer.user_id, chat_ids)
    if len(readable) < len(set(chat_ids)):
        raise NotFound("The chat", path=["chatIds"])
    if len(await _rights(connection, viewer, chat_ids)) < len(readable):
        raise Forbidden("You may not manage webhooks in this chat.", path=["chatIds"])
    return readable


async def _seen(
    connection: Connection, viewer: Viewer, webhook_id: UUID, *, also: Sequence[UUID] = ()
) -> tuple[Webhook, list[UUID]]:
    """Return a webhook, locked, with its chats, if the viewer may see it; raises `NotFound`.

    Its chats are locked as well, and others on request: all at once, in the order of all.
    """
    gone = NotFound("The webhook", path=["webhookId"])
    # Chats before webhooks, as everybody locks them.
    chat_ids = (await webhooks.chats_of(connection, [webhook_id]))[webhook_id]
    if not await _rights(connection, viewer, chat_ids):
        raise gone
    await chats.lock(connection, [*chat_ids, *also])
    webhook = await webhooks.by_id(connection, webhook_id, lock=True)
    chat_ids = (await webhooks.chats_of(connection, [webhook_id]))[webhook_id]
    if webhook is None or not await _rights(connection, viewer, chat_ids):
        raise gone
    return webhook, chat_ids


async def _managed(
    connection: Connection, viewer: Viewer, webhook_id: UUID, *, also: Sequence[UUID] = ()
) -> tuple[Webhook, list[UUID]]:
    """Return a webhook as `_seen` does, that the viewer may change; raises `Forbidden` too.

    `also` are other chats in which they have to have the right.
    """
    webhook, chat_ids = await _seen(connection, viewer, webhook_id, also=also)
    if also:
        await _managed_chats(connection, viewer, also)
    if len(await _rights(connection, viewer, chat_ids)) < len(chat_ids):
        raise Forbidden(
            "The webhook is told of chats in which you may not manage webhooks: take yours out, "
            "or ask there.",
            path=["webhookId"],
        )
    return webhook, chat_ids


async def _require_room(connection: Connection, chat_ids: Sequence[UUID]) -> None:
    for each in (await webhooks.of_chats(connection, chat_ids)).values():
        if len(each) >= MAX_OF_CHAT:
            raise Conflict(f"A chat has {MAX_OF_CHAT} webhooks at most.", path=["chatIds"])


async def _note(
    connection: Connection,
    act: Done,
    viewer: Viewer,
    webhook_id: UUID,
    client: Client,
    now: datetime,
) -> None:
    await audit.record(
        connection,
        act,
        now=now,
        actor_id=viewer.user_id,
        session_id=viewer.session_id,
        client=client,
        details={"webhook": str(webhook_id)},
    )


def _name(name: str) -> str:
    return line(name, what="The name", maximum=MAX_NAME, path=["name"])


def _url(services: Services, url: str) -> str:
    """Return a URL that may be told things; what its name leads to is looked at with each use."""
    web = services.outbound.web
    try:
        found = web.target(url)
    except BadTarget as error:
        raise InvalidInput(f"Nothing can be sent there: {error}.", path=["url"]) from None
    if found.scheme != "https" and not web.plain_allowed:
        raise InvalidInput("Write an address that begins with https://.", path=["url"])
    if found.address is not None and not web.may_reach(found):
        raise InvalidInput("Nothing can be sent there: it is no public address.", path=["url"])
    return url


def _kinds(kinds: Sequence[EventKind]) -> str:
    if not kinds:
        raise InvalidInput("Name at least one event.", path=["events"])
    return " ".join(sorted({kind.value for kind in kinds}))


def _chat_ids(chat_ids: Sequence[UUID]) -> list[UUID]:
    wanted = list(dict.fromkeys(chat_ids))
    if not 1 <= len(wanted) <= MAX_CHATS:
        raise InvalidInput(f"Name 1 to {MAX_CHATS} chats.", path=["chatIds"])
    return wanted
