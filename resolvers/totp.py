"""Setting up an authenticator app, and doing without it again."""

from dataclasses import dataclass

from accounts.totp import Enrolment, enrol
from models import audit, recovery_codes, second_factors, totp, users
from models.audit import Act
from models.client import Client
from models.errors import BadFactor, Conflict, NotFound, Unauthenticated
from models.second_factors import SecondFactors
from models.viewer import Viewer
from notify.letters import Notice
from resolvers import recovery_codes as codes
from resolvers.notices import tell
from resolvers.rates import Rate
from resolvers.second_factors import sealed_secret, step_of
from resolvers.services import Services, utc_now

_ON_ALREADY = "An authenticator app is set up already: disable it first."


@dataclass(frozen=True, slots=True)
class Enabled:
    """What an account has now, and recovery codes if it had none left."""

    factors: SecondFactors
    recovery_codes: list[str]


async def begin(services: Services, viewer: Viewer) -> Enrolment:
    """Return a secret for the app, shown this once; asked for when `confirm` has seen a code."""
    async with services.db.writing() as connection:
        # The secret that is being confirmed just now must not be replaced under its code.
        await second_factors.lock(connection, viewer.user_id)
        user = (await users.by_ids(connection, [viewer.user_id])).get(viewer.user_id)
        if user is None:
            raise Unauthenticated
        enrolment = enrol(issuer=services.credentials.passkeys.site.name, account=user.handle)
        sealed = sealed_secret(services, user.id, enrolment.secret)
        if not await totp.begin(connection, user.id, sealed, utc_now()):
            raise Conflict(_ON_ALREADY)
    return enrolment


async def confirm(services: Services, viewer: Viewer, *, code: str, client: Client) -> Enabled:
    """Ask for codes from now on, the given one having shown that the app has the secret.

    Raises `NotFound`, `Conflict` or `BadFactor`.
    """
    await services.rates.spend(Rate.TOTP_OF_ACCOUNT, str(viewer.user_id))
    now = utc_now()
    async with services.db.writing() as connection:
        factors = await second_factors.lock(connection, viewer.user_id)
        app = await totp.of(connection, viewer.user_id)
        if app is None:
            raise NotFound("A secret to confirm")
        if factors.totp:
            raise Conflict(_ON_ALREADY)
        step = step_of(services, app, code, now)
        if step is None:
            raise BadFactor(path=["code"])
        await totp.confirm(connection, viewer.user_id, now)
        await totp.spend(connection, viewer.user_id, step)
        await audit.record(
            connection,
            Act.TOTP_ENABLED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
        )
        await tell(
            services, connection, viewer.user_id, Notice.TOTP_ENABLED, client=client, now=now
        )
        shown = await codes.first(services, connection, viewer, factors, client=client, now=now)
        return Enabled(await second_factors.of(connection, viewer.user_id), shown)


async def disable(services: Services, viewer: Viewer, *, client: Client) -> SecondFactors:
    """Ask for codes no longer; returns what is left. Raises `NotFound`."""
    now = utc_now()
    async with services.db.writing() as connection:
        factors = await second_factors.lock(connection, viewer.user_id)
        if not factors.totp:
            raise NotFound("An authenticator app")
        await totp.remove(connection, viewer.user_id)
        if not factors.passkeys:
            await recovery_codes.remove(connection, viewer.user_id)
        await audit.record(
            connection,
            Act.TOTP_DISABLED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
        )
        await tell(
            services, connection, viewer.user_id, Notice.TOTP_DISABLED, client=client, now=now
        )
        return await second_factors.of(connection, viewer.user_id)
