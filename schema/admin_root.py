"""The root types as administrators have them: everybody's, and their own part."""

import strawberry

from schema import administration, word_filters
from schema.admin import Admin, admin
from schema.root import Mutation, Query


@strawberry.type(name="Query", description="What can be asked.")
class AdminQuery(Query):
    admin: Admin = strawberry.field(
        resolver=admin, description="What administrators alone may see."
    )


@strawberry.type(
    name="Mutation",
    description="What can be done. Each answers with what changed, or with `errors`.",
)
class AdminMutation(Mutation):
    admin_suspend_user: administration.AdminUserPayload = strawberry.mutation(
        resolver=administration.suspend_user,
        description="Keep somebody out: their sessions end, and their bots'. Log-in is refused.",
    )
    admin_reinstate_user: administration.AdminUserPayload = strawberry.mutation(
        resolver=administration.reinstate_user,
        description="Let somebody who is suspended sign in again.",
    )
    admin_end_sessions: administration.AdminUserPayload = strawberry.mutation(
        resolver=administration.end_sessions,
        description="Sign somebody out everywhere; a bot's tokens are revoked.",
    )
    admin_grant_administrator: administration.AdminUserPayload = strawberry.mutation(
        resolver=administration.grant_administrator,
        description="Make somebody an administrator.",
    )
    admin_revoke_administrator: administration.AdminUserPayload = strawberry.mutation(
        resolver=administration.revoke_administrator,
        description="Have somebody administer this server no longer; somebody else must be left.",
    )
    admin_set_sign_up_policy: administration.AdminSetSignUpPolicyPayload = strawberry.mutation(
        resolver=administration.set_sign_up_policy,
        description="Decide who may register, whatever the settings say.",
    )
    admin_create_invitation: administration.AdminCreateInvitationPayload = strawberry.mutation(
        resolver=administration.create_invitation,
        description="Make an invitation to sign up.",
    )
    admin_revoke_invitation: administration.AdminRevokeInvitationPayload = strawberry.mutation(
        resolver=administration.revoke_invitation,
        description="Take an invitation back.",
    )
    admin_resolve_report: administration.AdminResolveReportPayload = strawberry.mutation(
        resolver=administration.resolve_report,
        description="Close a report, and do something about it.",
    )
    admin_set_word_filters: word_filters.AdminSetWordFiltersPayload = strawberry.mutation(
        resolver=word_filters.set_server_word_filters,
        description="Say what is not to be written anywhere on this server, guests and bots "
        "included. It holds within seconds, for what is written from then on.",
    )
