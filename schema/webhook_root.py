"""What can be done about webhooks: a part of `Mutation`."""

import strawberry

from schema import incoming_webhooks as incoming_fields
from schema import webhooks as webhook_fields


@strawberry.type
class WebhookMutations:
    create_webhook: webhook_fields.CreateWebhookPayload = strawberry.mutation(
        resolver=webhook_fields.create_webhook,
        description="Have a URL told of what happens in some chats, from now on.",
    )
    update_webhook: webhook_fields.UpdateWebhookPayload = strawberry.mutation(
        resolver=webhook_fields.update_webhook,
        description="Change a webhook, or switch it on or off.",
    )
    delete_webhook: webhook_fields.DeleteWebhookPayload = strawberry.mutation(
        resolver=webhook_fields.delete_webhook,
        description="Delete a webhook, or take it out of one chat.",
    )
    rotate_webhook_secret: webhook_fields.RotateWebhookSecretPayload = strawberry.mutation(
        resolver=webhook_fields.rotate_webhook_secret,
        description="Give a webhook another secret to sign with.",
    )
    send_test_event: webhook_fields.SendTestEventPayload = strawberry.mutation(
        resolver=webhook_fields.send_test_event,
        description="Have a webhook sent a delivery of the type `Ping`, after what waits already.",
    )
    create_incoming_webhook: incoming_fields.CreateIncomingWebhookPayload = strawberry.mutation(
        resolver=incoming_fields.create_incoming_webhook,
        description="Open a way into a chat for what a program has to say.",
    )
    revoke_incoming_webhook: incoming_fields.RevokeIncomingWebhookPayload = strawberry.mutation(
        resolver=incoming_fields.revoke_incoming_webhook,
        description="Close an incoming webhook. Its bot leaves; what it has sent stays.",
    )
