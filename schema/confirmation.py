"""The mutations with which a session proves again whose it is."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.errors import InvalidInput
from resolvers import confirmation
from resolvers.confirmation import CONFIRMED_FOR, Password
from resolvers.second_factors import Factor, PasskeyAnswer, RecoveryCode, TotpCode
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into

_MINUTES = int(CONFIRMED_FOR.total_seconds() // 60)


@strawberry.type(description="What to ask the viewer's passkeys, or why there is nothing.")
class BeginPasskeyConfirmationPayload:
    challenge_id: str | None = strawberry.field(
        default=None, description="For `confirmIdentity`, once, within five minutes."
    )
    options: str | None = strawberry.field(
        default=None,
        description="A `PublicKeyCredentialRequestOptionsJSON` as text: parse it, and hand it to "
        "`PublicKeyCredential.parseRequestOptionsFromJSON` and `navigator.credentials.get`.",
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="What a passkey answered.")
class PasskeyAnswerInput:
    challenge_id: str = strawberry.field(description="The one of `beginPasskeyConfirmation`.")
    credential: str = strawberry.field(
        description="The credential's `toJSON()`, an `AuthenticationResponseJSON`, as text."
    )


@strawberry.input(one_of=True, description="Proof of who one is: one of these.")
class ConfirmIdentityInput:
    password: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The account's password; it is not enough where there is a second factor.",
    )
    totp_code: str | None = strawberry.field(
        default=strawberry.UNSET, description="The six digits that the authenticator app shows."
    )
    recovery_code: str | None = strawberry.field(
        default=strawberry.UNSET, description="A recovery code; it is used up with this."
    )
    passkey: PasskeyAnswerInput | None = strawberry.field(
        default=strawberry.UNSET, description="A passkey's answer."
    )

    def proof(self) -> Password | Factor:
        """Return the one that is given."""
        if isinstance(self.password, str):
            return Password(self.password)
        if isinstance(self.totp_code, str):
            return TotpCode(self.totp_code)
        if isinstance(self.recovery_code, str):
            return RecoveryCode(self.recovery_code)
        if isinstance(self.passkey, PasskeyAnswerInput):
            return PasskeyAnswer(self.passkey.credential)
        raise InvalidInput("Give one of the proofs.")


@strawberry.type(description="Until when dangerous changes may be made, or why they may not.")
class ConfirmIdentityPayload:
    confirmed_until: datetime | None = strawberry.field(
        default=None, description=f"In {_MINUTES} minutes. It is of this session alone."
    )
    errors: list[UserError] = errors_field()


_PROOF = strawberry.argument(description="The proof.")


@refusals_into(BeginPasskeyConfirmationPayload)
async def begin_passkey_confirmation(info: Info) -> BeginPasskeyConfirmationPayload:
    """Resolve `Mutation.beginPasskeyConfirmation`."""
    asked = await confirmation.begin_passkey(info.context.services, info.context.signed_in)
    return BeginPasskeyConfirmationPayload(challenge_id=asked.challenge_id, options=asked.options)


@refusals_into(ConfirmIdentityPayload)
async def confirm_identity(
    info: Info, input: Annotated[ConfirmIdentityInput, _PROOF]
) -> ConfirmIdentityPayload:
    """Resolve `Mutation.confirmIdentity`."""
    answer = input.passkey
    confirmed_until = await confirmation.confirm(
        info.context.services,
        info.context.signed_in,
        input.proof(),
        challenge_id=answer.challenge_id if isinstance(answer, PasskeyAnswerInput) else None,
        client=info.context.client,
    )
    return ConfirmIdentityPayload(confirmed_until=confirmed_until)
