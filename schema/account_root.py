"""What can be done about accounts: a part of `Mutation`."""

import strawberry

from schema import confirmation as confirmation_fields
from schema import deletions as deletion_fields
from schema import emails as email_fields
from schema import exports as export_fields
from schema import guests as guest_fields
from schema import log_ins as log_in_fields
from schema import passkeys as passkey_fields
from schema import passwords as password_fields
from schema import profiles as profile_fields
from schema import second_factors as factor_fields
from schema import sessions as session_fields
from schema import settings as setting_fields


@strawberry.type
class AccountMutations:
    register: session_fields.AuthPayload = strawberry.mutation(
        resolver=session_fields.register, description="Create a person and sign them in."
    )
    log_in: session_fields.LogInPayload = strawberry.mutation(
        resolver=session_fields.log_in, description="Open a session."
    )
    complete_log_in: session_fields.LogInPayload = strawberry.mutation(
        resolver=log_in_fields.complete_log_in,
        description="Open a session with a challenge of `logIn` and a second factor.",
    )
    begin_passkey_log_in: passkey_fields.BeginPasskeyLogInPayload = strawberry.mutation(
        resolver=passkey_fields.begin_passkey_log_in,
        description="Ask for a passkey, whoever's it is: neither handle nor password is needed.",
    )
    finish_passkey_log_in: session_fields.LogInPayload = strawberry.mutation(
        resolver=log_in_fields.finish_passkey_log_in,
        description="Open a session with a passkey and nothing else.",
    )
    begin_totp: factor_fields.BeginTotpPayload = strawberry.mutation(
        resolver=factor_fields.begin_totp,
        description="Make a secret for an authenticator app. Nothing is asked for until "
        "`confirmTotp`.",
    )
    confirm_totp: factor_fields.ConfirmTotpPayload = strawberry.mutation(
        resolver=factor_fields.confirm_totp,
        description="Finish setting up the authenticator app: log-ins ask for its codes from now "
        "on.",
    )
    disable_totp: factor_fields.DisableTotpPayload = strawberry.mutation(
        resolver=factor_fields.disable_totp, description="Do without the authenticator app again."
    )
    regenerate_recovery_codes: factor_fields.RegenerateRecoveryCodesPayload = strawberry.mutation(
        resolver=factor_fields.regenerate_recovery_codes,
        description="Make new recovery codes in place of the old ones.",
    )
    begin_passkey_registration: passkey_fields.BeginPasskeyRegistrationPayload = (
        strawberry.mutation(
            resolver=passkey_fields.begin_passkey_registration,
            description="Begin to register a passkey for the viewer's account.",
        )
    )
    finish_passkey_registration: passkey_fields.FinishPasskeyRegistrationPayload = (
        strawberry.mutation(
            resolver=passkey_fields.finish_passkey_registration,
            description="Register a passkey: log-ins with the password ask for a second factor "
            "from now on, and those with the passkey for nothing else.",
        )
    )
    rename_passkey: passkey_fields.RenamePasskeyPayload = strawberry.mutation(
        resolver=passkey_fields.rename_passkey, description="Give a passkey another name."
    )
    remove_passkey: factor_fields.RemovePasskeyPayload = strawberry.mutation(
        resolver=factor_fields.remove_passkey, description="Forget a passkey."
    )
    begin_passkey_confirmation: confirmation_fields.BeginPasskeyConfirmationPayload = (
        strawberry.mutation(
            resolver=confirmation_fields.begin_passkey_confirmation,
            description="Ask for one of the viewer's passkeys, for `confirmIdentity`.",
        )
    )
    confirm_identity: confirmation_fields.ConfirmIdentityPayload = strawberry.mutation(
        resolver=confirmation_fields.confirm_identity,
        description="Prove again who one is, for what answers `CONFIRMATION_REQUIRED`.",
    )
    refresh_session: session_fields.AuthPayload = strawberry.mutation(
        resolver=session_fields.refresh_session,
        description="Swap a refresh token for fresh tokens. Each works once; using an old one "
        "again ends the session.",
    )
    log_out: session_fields.LogOutPayload = strawberry.mutation(
        resolver=session_fields.log_out, description="End the session of this request."
    )
    revoke_session: session_fields.RevokeSessionPayload = strawberry.mutation(
        resolver=session_fields.revoke_session,
        description="End a session of one's own, such as that of a device that was lost.",
    )
    revoke_other_sessions: session_fields.RevokeOtherSessionsPayload = strawberry.mutation(
        resolver=session_fields.revoke_other_sessions,
        description="End all of one's sessions but that of this request.",
    )
    join_as_guest: session_fields.AuthPayload = strawberry.mutation(
        resolver=guest_fields.join_as_guest,
        description="Come into one chat by a guest link, without an account.",
    )
    request_data_export: export_fields.RequestDataExportPayload = strawberry.mutation(
        resolver=export_fields.request_data_export,
        description="Ask for a file of all that is one's own; one at a time, and three a day.",
    )
    delete_account: deletion_fields.DeleteAccountPayload = strawberry.mutation(
        resolver=deletion_fields.delete_account,
        description="Ask for one's account to be deleted, after a waiting time. All sessions end.",
    )
    cancel_account_deletion: deletion_fields.CancelAccountDeletionPayload = strawberry.mutation(
        resolver=deletion_fields.cancel_account_deletion,
        description="Keep one's account after all, within the waiting time.",
    )
    update_profile: profile_fields.UpdateProfilePayload = strawberry.mutation(
        resolver=profile_fields.update_profile, description="Change the viewer's profile."
    )
    change_handle: profile_fields.ChangeHandlePayload = strawberry.mutation(
        resolver=profile_fields.change_handle,
        description="Take another handle. The one before stays the viewer's for a while, unused. "
        "Asks for a confirmed session.",
    )
    update_settings: setting_fields.UpdateSettingsPayload = strawberry.mutation(
        resolver=setting_fields.update_settings,
        description="Say who may reach the viewer, and who may find them.",
    )
    request_email_verification: email_fields.RequestEmailVerificationPayload = strawberry.mutation(
        resolver=email_fields.request_email_verification,
        description="Have another code mailed to the viewer's address; those before are void.",
    )
    verify_email: email_fields.VerifyEmailPayload = strawberry.mutation(
        resolver=email_fields.verify_email,
        description="Prove an address with the code that was mailed to it. Nobody has to be "
        "signed in: the mail may be read elsewhere.",
    )
    change_email: email_fields.ChangeEmailPayload = strawberry.mutation(
        resolver=email_fields.change_email,
        description="Have a code mailed to another address, which becomes the viewer's with it.",
    )
    restore_email: email_fields.RestoreEmailPayload = strawberry.mutation(
        resolver=email_fields.restore_email,
        description="Undo a change of address with the code that was mailed to the one before. "
        "All sessions end.",
    )
    request_password_reset: password_fields.RequestPasswordResetPayload = strawberry.mutation(
        resolver=password_fields.request_password_reset,
        description="Have a code mailed to who has forgotten their password. The answer is the "
        "same, whether there is such an account or not.",
    )
    reset_password: password_fields.ResetPasswordPayload = strawberry.mutation(
        resolver=password_fields.reset_password,
        description="Choose a new password with a mailed code. All sessions end.",
    )
    change_password: password_fields.ChangePasswordPayload = strawberry.mutation(
        resolver=password_fields.change_password,
        description="Choose another password. All other sessions end.",
    )
