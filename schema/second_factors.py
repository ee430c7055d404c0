"""Second factors: what a log-in asks for beside the password, and how it is set up."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from models import second_factors
from models.errors import InvalidInput
from resolvers import log_in_challenges, recovery_codes, totp
from resolvers import passkeys as passkey_use_cases
from resolvers.second_factors import Factor, PasskeyAnswer, RecoveryCode, TotpCode
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode
from schema.passkeys import Passkey


@strawberry.enum(description="A way to prove who one is, beside the password.")
class SecondFactorMethod(Enum):
    TOTP = strawberry.enum_value(
        TotpCode.name, description="The six digits that an authenticator app shows."
    )
    PASSKEY = strawberry.enum_value(
        PasskeyAnswer.name, description="A passkey's answer to `passkeyOptions`."
    )
    RECOVERY_CODE = strawberry.enum_value(
        RecoveryCode.name, description="One of the codes that were written down."
    )


@strawberry.type(description="What the viewer's account asks for beside the password.")
class SecondFactors:
    totp: bool = strawberry.field(description="Whether an authenticator app is set up.")
    passkeys: list[Passkey] = strawberry.field(description="The passkeys, the oldest first.")
    recovery_codes_left: int = strawberry.field(
        description="How many recovery codes are not used yet."
    )

    @classmethod
    def of(cls, row: second_factors.SecondFactors) -> Self:
        """Return factors as their owner sees them."""
        return cls(
            totp=row.totp,
            passkeys=[Passkey.of(each) for each in row.passkeys],
            recovery_codes_left=row.recovery_codes_left,
        )


@strawberry.type(description="What a log-in asks for beside the password.")
class LogInChallenge:
    token: str = strawberry.field(
        description="For `completeLogIn`. It is no access token: with it alone nobody is in."
    )
    expires_at: datetime = strawberry.field(description="Until when it can be met.")
    methods: list[SecondFactorMethod] = strawberry.field(
        description="What it can be met with, whichever is at hand."
    )
    passkey_options: str | None = strawberry.field(
        description="If a passkey is among the methods: a `PublicKeyCredentialRequestOptionsJSON` "
        "as text, for `navigator.credentials.get`."
    )

    @classmethod
    def of(cls, challenge: log_in_challenges.Challenge) -> Self:
        """Return a challenge as who logs in sees it."""
        return cls(
            token=challenge.token,
            expires_at=challenge.expires_at,
            methods=[SecondFactorMethod(kind.name) for kind in challenge.methods],
            passkey_options=challenge.passkey_options,
        )


@strawberry.input(one_of=True, description="Proof of who one is: one of these.")
class SecondFactorInput:
    totp_code: str | None = strawberry.field(
        default=strawberry.UNSET, description="The six digits that the authenticator app shows."
    )
    recovery_code: str | None = strawberry.field(
        default=strawberry.UNSET, description="A recovery code; it is used up with this."
    )
    passkey: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The credential's `toJSON()`, an `AuthenticationResponseJSON`, as text.",
    )

    def factor(self) -> Factor:
        """Return the one that is given."""
        if isinstance(self.totp_code, str):
            return TotpCode(self.totp_code)
        if isinstance(self.recovery_code, str):
            return RecoveryCode(self.recovery_code)
        if isinstance(self.passkey, str):
            return PasskeyAnswer(self.passkey)
        raise InvalidInput("Give one of the proofs.", path=["factor"])


@strawberry.type(description="A secret for an authenticator app, or why there is none.")
class BeginTotpPayload:
    secret: str | None = strawberry.field(
        default=None, description="The secret in base 32, to be typed in. Shown this once."
    )
    uri: str | None = strawberry.field(
        default=None, description="The same as an `otpauth://` address, which apps open."
    )
    qr_svg: str | None = strawberry.field(
        default=None, description="The address as a QR code, an SVG picture. Show it, keep it not."
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="The factors after the app was set up, or why it was not.")
class ConfirmTotpPayload:
    second_factors: SecondFactors | None = strawberry.field(
        default=None, description="The factors there are now."
    )
    recovery_codes: list[str] = strawberry.field(
        default_factory=list,
        description="Ten ways back in without the app, each good once, for whoever has none left; "
        "empty for who has. Shown this once.",
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="The factors that are left, or why the app is still asked for.")
class DisableTotpPayload:
    second_factors: SecondFactors | None = strawberry.field(
        default=None,
        description="The factors there are now. Without app and passkeys, there are no recovery "
        "codes either.",
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="The factors that are left, or why the passkey is still there.")
class RemovePasskeyPayload:
    second_factors: SecondFactors | None = strawberry.field(
        default=None,
        description="The factors there are now. Without app and passkeys, there are no recovery "
        "codes either.",
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="New recovery codes, or why the old ones stay.")
class RegenerateRecoveryCodesPayload:
    recovery_codes: list[str] = strawberry.field(
        default_factory=list,
        description="Ten codes, each good once; those before are good no more. Shown this once.",
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="A code of the app that is being set up.")
class ConfirmTotpInput:
    code: str = strawberry.field(description="The six digits that it shows.")


@strawberry.input(description="Which passkey to forget.")
class RemovePasskeyInput:
    passkey_id: strawberry.ID = strawberry.field(description="The passkey.")


_CODE = strawberry.argument(description="The code.")
_PASSKEY = strawberry.argument(description="The passkey.")


@refusals_into(BeginTotpPayload)
async def begin_totp(info: Info) -> BeginTotpPayload:
    """Resolve `Mutation.beginTotp`."""
    enrolment = await totp.begin(info.context.services, info.context.signed_in)
    return BeginTotpPayload(secret=enrolment.secret, uri=enrolment.uri, qr_svg=enrolment.qr_svg)


@refusals_into(ConfirmTotpPayload)
async def confirm_totp(info: Info, input: Annotated[ConfirmTotpInput, _CODE]) -> ConfirmTotpPayload:
    """Resolve `Mutation.confirmTotp`."""
    enabled = await totp.confirm(
        info.context.services,
        info.context.signed_in,
        code=input.code,
        client=info.context.client,
    )
    return ConfirmTotpPayload(
        second_factors=SecondFactors.of(enabled.factors), recovery_codes=enabled.recovery_codes
    )


@refusals_into(DisableTotpPayload)
async def disable_totp(info: Info) -> DisableTotpPayload:
    """Resolve `Mutation.disableTotp`."""
    left = await totp.disable(
        info.context.services, info.context.signed_in, client=info.context.client
    )
    return DisableTotpPayload(second_factors=SecondFactors.of(left))


@refusals_into(RegenerateRecoveryCodesPayload)
async def regenerate_recovery_codes(info: Info) -> RegenerateRecoveryCodesPayload:
    """Resolve `Mutation.regenerateRecoveryCodes`."""
    codes = await recovery_codes.regenerate(
        info.context.services, info.context.signed_in, client=info.context.client
    )
    return RegenerateRecoveryCodesPayload(recovery_codes=codes)


@refusals_into(RemovePasskeyPayload)
async def remove_passkey(
    info: Info, input: Annotated[RemovePasskeyInput, _PASSKEY]
) -> RemovePasskeyPayload:
    """Resolve `Mutation.removePasskey`."""
    passkey_id = decode(Kind.PASSKEY, input.passkey_id, path="passkeyId")
    left = await passkey_use_cases.remove(
        info.context.services, info.context.signed_in, passkey_id, client=info.context.client
    )
    return RemovePasskeyPayload(second_factors=SecondFactors.of(left))
