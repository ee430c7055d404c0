"""Log-ins that take more, or something else, than a password."""

from typing import Annotated

import strawberry

from resolvers import log_in_challenges, passkeys
from schema.context import Info
from schema.errors import refusals_into
from schema.second_factors import SecondFactorInput
from schema.sessions import LogInPayload, payload_of


@strawberry.input(description="A challenge of `logIn`, and what meets it.")
class CompleteLogInInput:
    challenge_token: str = strawberry.field(description="The challenge's `token`.")
    factor: SecondFactorInput = strawberry.field(description="One of the challenge's `methods`.")


@strawberry.input(description="What the browser made of the options.")
class FinishPasskeyLogInInput:
    challenge_id: str = strawberry.field(description="The one of `beginPasskeyLogIn`.")
    credential: str = strawberry.field(
        description="The credential's `toJSON()`, an `AuthenticationResponseJSON`, as text."
    )
    device_name: str | None = strawberry.field(
        default=None, description="For the list of sessions, such as “Ana's phone”."
    )


_PROOF = strawberry.argument(description="The challenge and the proof.")
_ANSWER = strawberry.argument(description="The passkey's answer.")


@refusals_into(LogInPayload)
async def complete_log_in(info: Info, input: Annotated[CompleteLogInInput, _PROOF]) -> LogInPayload:
    """Resolve `Mutation.completeLogIn`."""
    signed_in = await log_in_challenges.complete(
        info.context.services,
        token=input.challenge_token,
        factor=input.factor.factor(),
        client=info.context.client,
    )
    return payload_of(LogInPayload, signed_in)


@refusals_into(LogInPayload)
async def finish_passkey_log_in(
    info: Info, input: Annotated[FinishPasskeyLogInInput, _ANSWER]
) -> LogInPayload:
    """Resolve `Mutation.finishPasskeyLogIn`."""
    signed_in = await passkeys.finish_log_in(
        info.context.services,
        challenge_id=input.challenge_id,
        credential=input.credential,
        device_name=input.device_name,
        client=info.context.client,
    )
    return payload_of(LogInPayload, signed_in)
