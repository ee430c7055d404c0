"""What can be done against others: a part of `Mutation`."""

import strawberry

from schema import bans as ban_fields
from schema import blocks as block_fields
from schema import reports as report_fields
from schema import word_filters as filter_fields


@strawberry.type
class ModerationMutations:
    report_user: report_fields.ReportUserPayload = strawberry.mutation(
        resolver=report_fields.report_user,
        description="Tell the administrators about somebody. Nobody else learns of it.",
    )
    report_message: report_fields.ReportMessagePayload = strawberry.mutation(
        resolver=report_fields.report_message,
        description="Show the administrators a message, with a few around it, as they are now. "
        "Nobody else learns of it.",
    )
    report_chat: report_fields.ReportChatPayload = strawberry.mutation(
        resolver=report_fields.report_chat,
        description="Tell the administrators about a chat. Nobody else learns of it.",
    )
    block_user: block_fields.BlockUserPayload = strawberry.mutation(
        resolver=block_fields.block_user,
        description="Have nothing to do with somebody any more. They are not told, and they see "
        "what they would see if the viewer wanted to hear of nobody.",
    )
    unblock_user: block_fields.UnblockUserPayload = strawberry.mutation(
        resolver=block_fields.unblock_user, description="Block somebody no longer."
    )
    ban_member: ban_fields.BanMemberPayload = strawberry.mutation(
        resolver=ban_fields.ban_member,
        description="Keep somebody out of a chat, by whatever way they come, and remove them if "
        "they are in it.",
    )
    unban_member: ban_fields.UnbanMemberPayload = strawberry.mutation(
        resolver=ban_fields.unban_member, description="Let somebody come into a chat again."
    )
    silence_member: ban_fields.SilenceMemberPayload = strawberry.mutation(
        resolver=ban_fields.silence_member,
        description="Have a member only read for a while. Everybody in the chat sees that.",
    )
    unsilence_member: ban_fields.UnsilenceMemberPayload = strawberry.mutation(
        resolver=ban_fields.unsilence_member, description="Let a member write again."
    )
    set_word_filters: filter_fields.SetWordFiltersPayload = strawberry.mutation(
        resolver=filter_fields.set_word_filters,
        description="Say what is not to be written in a chat. It holds within seconds, for what "
        "is written from then on.",
    )
