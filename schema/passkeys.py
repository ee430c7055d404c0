"""Passkeys, and the mutations that register, name and remove them."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from models import passkeys
from resolvers import passkeys as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, encode

MAX_NAME = use_cases.MAX_NAME


@strawberry.type(description="A passkey: something that its owner has, and has to unlock.")
class Passkey:
    id: strawberry.ID = strawberry.field(description="Opaque and stable.")
    name: str = strawberry.field(description="What its owner calls it.")
    created_at: datetime = strawberry.field(description="When it was registered.")
    last_used_at: datetime | None = strawberry.field(
        description="When it last proved who its owner is; null if it never did."
    )
    backed_up: bool = strawberry.field(
        description="Whether it is kept elsewhere too, such as in an account of the device's "
        "maker: it survives the loss of the device."
    )

    @classmethod
    def of(cls, row: passkeys.Passkey) -> Self:
        """Return a passkey as its owner sees it."""
        return cls(
            id=strawberry.ID(encode(Kind.PASSKEY, row.id)),
            name=row.name,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            backed_up=row.backed_up,
        )


@strawberry.type(description="What to create a passkey with, or why there is nothing.")
class BeginPasskeyRegistrationPayload:
    challenge_id: str | None = strawberry.field(
        default=None, description="For `finishPasskeyRegistration`, once, within five minutes."
    )
    options: str | None = strawberry.field(
        default=None,
        description="A `PublicKeyCredentialCreationOptionsJSON` as text: parse it, and hand it to "
        "`PublicKeyCredential.parseCreationOptionsFromJSON` and `navigator.credentials.create`.",
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="What to ask any passkey, or why there is nothing.")
class BeginPasskeyLogInPayload:
    challenge_id: str | None = strawberry.field(
        default=None, description="For `finishPasskeyLogIn`, once, within five minutes."
    )
    options: str | None = strawberry.field(
        default=None,
        description="A `PublicKeyCredentialRequestOptionsJSON` as text: parse it, and hand it to "
        "`PublicKeyCredential.parseRequestOptionsFromJSON` and `navigator.credentials.get`.",
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="The new passkey, or why there is none.")
class FinishPasskeyRegistrationPayload:
    passkey: Passkey | None = strawberry.field(default=None, description="The passkey.")
    recovery_codes: list[str] = strawberry.field(
        default_factory=list,
        description="Ten ways back in without the passkey, each good once, for whoever has none "
        "left; empty for who has. Shown this once.",
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="The passkey with its new name, or why it has the old one.")
class RenamePasskeyPayload:
    passkey: Passkey | None = strawberry.field(default=None, description="The passkey.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="What the browser made of the options.")
class FinishPasskeyRegistrationInput:
    challenge_id: str = strawberry.field(description="The one of `beginPasskeyRegistration`.")
    name: str = strawberry.field(
        description=f"What to call it, such as “Ana's phone”, up to {MAX_NAME} characters."
    )
    credential: str = strawberry.field(
        description="The new credential's `toJSON()`, a `RegistrationResponseJSON`, as text."
    )


@strawberry.input(description="A passkey's new name.")
class RenamePasskeyInput:
    passkey_id: strawberry.ID = strawberry.field(description="The passkey.")
    name: str = strawberry.field(description=f"What to call it, up to {MAX_NAME} characters.")


_MADE = strawberry.argument(description="What was made.")
_NAME = strawberry.argument(description="The new name.")


@refusals_into(BeginPasskeyRegistrationPayload)
async def begin_passkey_registration(info: Info) -> BeginPasskeyRegistrationPayload:
    """Resolve `Mutation.beginPasskeyRegistration`."""
    asked = await use_cases.begin_registration(info.context.services, info.context.signed_in)
    return BeginPasskeyRegistrationPayload(challenge_id=asked.challenge_id, options=asked.options)


@refusals_into(FinishPasskeyRegistrationPayload)
async def finish_passkey_registration(
    info: Info, input: Annotated[FinishPasskeyRegistrationInput, _MADE]
) -> FinishPasskeyRegistrationPayload:
    """Resolve `Mutation.finishPasskeyRegistration`."""
    added = await use_cases.finish_registration(
        info.context.services,
        info.context.signed_in,
        challenge_id=input.challenge_id,
        name=input.name,
        credential=input.credential,
        client=info.context.client,
    )
    return FinishPasskeyRegistrationPayload(
        passkey=Passkey.of(added.passkey), recovery_codes=added.recovery_codes
    )


@refusals_into(RenamePasskeyPayload)
async def rename_passkey(
    info: Info, input: Annotated[RenamePasskeyInput, _NAME]
) -> RenamePasskeyPayload:
    """Resolve `Mutation.renamePasskey`."""
    passkey_id = decode(Kind.PASSKEY, input.passkey_id, path="passkeyId")
    row = await use_cases.rename(
        info.context.services,
        info.context.signed_in,
        passkey_id,
        name=input.name,
        client=info.context.client,
    )
    return RenamePasskeyPayload(passkey=Passkey.of(row))


@refusals_into(BeginPasskeyLogInPayload)
async def begin_passkey_log_in(info: Info) -> BeginPasskeyLogInPayload:
    """Resolve `Mutation.beginPasskeyLogIn`."""
    asked = await use_cases.begin_log_in(info.context.services, client=info.context.client)
    return BeginPasskeyLogInPayload(challenge_id=asked.challenge_id, options=asked.options)
