"""What can be done with polls, threads, drafts, and messages for later: a part of `Mutation`."""

import strawberry

from schema import drafts as draft_fields
from schema import polling as poll_fields
from schema import scheduled as scheduled_fields
from schema import threads as thread_fields


@strawberry.type
class WritingMutations:
    vote_poll: poll_fields.VotePollPayload = strawberry.mutation(
        resolver=poll_fields.vote_poll, description="Vote in a poll, or take that back."
    )
    close_poll: poll_fields.ClosePollPayload = strawberry.mutation(
        resolver=poll_fields.close_poll,
        description="Let nobody vote in a poll any more. Its sender may, and who may delete "
        "others' messages.",
    )
    schedule_message: scheduled_fields.ScheduleMessagePayload = strawberry.mutation(
        resolver=scheduled_fields.schedule_message,
        description="Keep a message until its time has come, and send it then.",
    )
    update_scheduled_message: scheduled_fields.UpdateScheduledMessagePayload = strawberry.mutation(
        resolver=scheduled_fields.update_scheduled_message,
        description="Give a scheduled message another text or time.",
    )
    cancel_scheduled_message: scheduled_fields.CancelScheduledMessagePayload = strawberry.mutation(
        resolver=scheduled_fields.cancel_scheduled_message,
        description="Forget a scheduled message.",
    )
    send_scheduled_message_now: scheduled_fields.SendScheduledMessageNowPayload = (
        strawberry.mutation(
            resolver=scheduled_fields.send_scheduled_message_now,
            description="Send a scheduled message at once.",
        )
    )
    save_draft: draft_fields.SaveDraftPayload = strawberry.mutation(
        resolver=draft_fields.save_draft,
        description="Keep what the viewer has begun to write, for all their devices.",
    )
    follow_thread: thread_fields.FollowThreadPayload = strawberry.mutation(
        resolver=thread_fields.follow_thread, description="Follow a thread, from now on."
    )
    unfollow_thread: thread_fields.UnfollowThreadPayload = strawberry.mutation(
        resolver=thread_fields.unfollow_thread,
        description="Follow a thread no longer, until the viewer writes in it again.",
    )
    mark_thread_read: thread_fields.MarkThreadReadPayload = strawberry.mutation(
        resolver=thread_fields.mark_thread_read,
        description="Say how far the viewer has read in a thread that they follow. The chat's own "
        "pointer stays.",
    )
