"""Mail: queued in the transaction that it tells of, and sent by the worker afterwards."""

import asyncio
from datetime import datetime, timedelta

import structlog

from accounts.sealing import SealBroken
from models import mails
from models.base import new_key
from models.database import Connection
from models.mails import Mail
from notify.mail import Message, NotSent, Refused, written
from realtime.tasks import heed_cancellation
from resolvers.services import Services, utc_now

log = structlog.get_logger(__name__)

# Longer than a transport takes at most (`notify/smtp.py: SEND_TIMEOUT` and `QUIT_TIMEOUT`): whoever
# gets the mail after that does not send it beside another worker.
LEASE = timedelta(minutes=2)
AT_ONCE = 5  # mails that are sent at the same time
# A mail that could not be sent waits, three times as long after each attempt, up to an hour.
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=1)

# What a sealed mail begins with: whether it is to be sent, or only to look as if.
_REAL, _DECOY = b"\x01", b"\x00"


async def queue(
    services: Services,
    connection: Connection,
    message: Message,
    *,
    now: datetime,
    decoy: bool = False,
) -> None:
    """Queue a message in the caller's transaction: if that is undone, nothing is sent.

    A decoy is stored and never sent. It stands where an account or an address is not known, so
    that the work done does not tell.
    """
    mail_id = new_key()
    plain = (_DECOY if decoy else _REAL) + message.dumps()
    sealed = services.post.sealer.seal(plain, context=mail_id.bytes)
    await mails.queue(connection, mail_id, sealed, now)


async def deliver(services: Services) -> None:
    """Send what is due; returns when nothing is, or when something could not be sent.

    Any number of workers may do it at once. Should one die between sending a mail and forgetting
    it, it is sent again, with the same Message-ID.
    """
    while True:
        now = utc_now()
        async with services.db.reading() as connection:
            if not await mails.any_due(connection, now):
                return
        async with services.db.writing() as connection:
            taken = await mails.take(connection, now, until=now + LEASE, limit=AT_ONCE)
        # All of them end, whatever becomes of one: a mail that is being sent is not cut off.
        done = await asyncio.gather(
            *(_deliver(services, mail) for mail in taken), return_exceptions=True
        )
        for outcome in done:
            if isinstance(outcome, BaseException):
                raise outcome
        if not all(done):
            return


async def _deliver(services: Services, mail: Mail) -> bool:
    """Send a mail that was taken, or let it wait; returns whether it is done with."""
    plain = _opened(services, mail)
    waits = False
    if plain is not None and plain.startswith(_REAL):
        waits = not await _sent(services, mail, Message.loads(plain[len(_REAL) :]))
    async with services.db.writing() as connection:
        if waits:
            wait = min(FIRST_WAIT * 3 ** min(mail.attempts - 1, 10), LONGEST_WAIT)
            await mails.put_off(connection, mail, utc_now() + wait)
        else:
            await mails.remove(connection, mail)
    return not waits


def _opened(services: Services, mail: Mail) -> bytes | None:
    try:
        return services.post.sealer.open(mail.sealed, context=mail.id.bytes)
    except SealBroken:
        log.error("mail_unreadable", mail=str(mail.id))
        return None


async def _sent(services: Services, mail: Mail, message: Message) -> bool:
    """Send a message; returns whether it was sent, or never will be."""
    post = services.post
    text = written(message, post.sender, id=mail.id, at=mail.created_at)
    try:
        where = await post.transport.send(text)
    except Refused as refusal:
        log.warning("mail_refused", mail=str(mail.id), reason=str(refusal))
        return True
    except NotSent as failure:
        reason = str(failure)
    except Exception:
        heed_cancellation()
        log.exception("mail_failed", mail=str(mail.id))
        reason = "a bug"
    else:
        log.info("mail_sent", mail=str(mail.id), where=where)
        return True
    if utc_now() - mail.created_at >= GIVE_UP_AFTER:
        log.error("mail_given_up", mail=str(mail.id), reason=reason)
        return True
    log.warning("mail_not_sent", mail=str(mail.id), reason=reason, attempts=mail.attempts)
    return False
