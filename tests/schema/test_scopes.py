"""What a bot's token must allow: every type is either protected or known to be free."""

from graphql import is_object_type

from models.bots import BotScope
from schema.bots import BotScope as ShownScope
from schema.documents import Document
from schema.engine import build_schema
from schema.policies import POLICIES
from schema.scopes import FREE, TYPES, needed

SCHEMA = build_schema()._schema

# Object types that show nothing of messages or members by themselves: what they lead to is looked
# at where it is asked for. Whoever adds a type decides here, or protects it in schema/scopes.py.
FREE_TYPES = {
    "Query", "Mutation", "Subscription",
    "PageInfo", "Server", "Limits", "Viewer", "Session", "User", "UserConnection", "UserEdge",
    # A person's own, which bots have none of.
    "Bot", "BotToken", "GuestLink", "DataExport", "SecondFactors", "Passkey", "LogInChallenge",
    # Of a person: what they set for themselves, and what stands beside their name.
    "Settings", "UserStatus",
    # Refusals.
    "RequestError", "TooLongError", "RateLimitedError",
    # Told to who may listen to `events` and `typing`, which takes messages:read.
    "ChatCreated", "ChatChanged", "MemberJoined", "MemberLeft", "MemberRoleChanged",
    "MessageSent", "MessageEdited", "MessageDeleted", "MessageExpired",
    "ReactionsChanged", "ReceiptsAdvanced",
    "MessagePinned", "MessageUnpinned", "MessageHidden", "HistoryCleared",
    "ProfileChanged", "SettingsChanged",
    "SessionStarted", "SessionEnded", "CursorAdvanced", "ResyncRequired", "TypingChanged",
}  # fmt: skip

# Payloads with tokens and challenges, of mutations that bots have none of, and with an address, for
# who has a code that was mailed there.
TELLING_SECRETS = {
    "AuthPayload", "LogInPayload", "CreateGuestLinkPayload", "CreateBotTokenPayload",
    "BeginPasskeyLogInPayload", "BeginPasskeyRegistrationPayload",
    "FinishPasskeyRegistrationPayload", "BeginPasskeyConfirmationPayload", "BeginTotpPayload",
    "ConfirmTotpPayload", "RegenerateRecoveryCodesPayload",
    "VerifyEmailPayload", "RestoreEmailPayload",
}  # fmt: skip


def test_every_type_is_protected_or_known_to_be_free():
    types = {
        name
        for name, type_ in SCHEMA.type_map.items()
        if is_object_type(type_) and not name.startswith("__") and not name.endswith("Payload")
    }
    assert types == TYPES.keys() | FREE_TYPES
    assert not TYPES.keys() & FREE_TYPES


def test_every_payload_shows_nothing_by_itself_that_a_scope_protects():
    for name, type_ in SCHEMA.type_map.items():
        if name.endswith("Payload") and is_object_type(type_):
            for field in type_.fields.values():
                named = field.type
                while not hasattr(named, "name"):
                    named = named.of_type
                if named.name == "String":
                    assert name in TELLING_SECRETS, name


def test_what_is_free_of_a_protected_type_exists():
    for name, fields in FREE.items():
        type_ = SCHEMA.get_type(name)
        assert is_object_type(type_)
        assert fields <= type_.fields.keys()
        assert name in TYPES


def test_every_scope_that_a_policy_names_is_one_and_the_schema_shows_all():
    named = {policy.scope for policy in POLICIES.values()} - {None}
    assert named <= {scope.value for scope in BotScope}
    assert ShownScope.__members__.keys() == BotScope.__members__.keys()


def test_an_operation_needs_what_its_fragments_need_and_no_other_operation_does():
    document = Document(
        """
        query A { viewer { chats { nodes { ...C } } } }
        query B { server { name } }
        fragment C on Chat { id lastMessage { ...M } }
        fragment M on Message { id text chat { ...C } }
        """
    )
    a, b = (document.operation(name) for name in "AB")
    assert needed(SCHEMA, document, a) == {
        "chats:read": "ChatConnection.nodes",
        "messages:read": "Message.text",
    }
    assert needed(SCHEMA, document, b) == {}
    root = Document("mutation { addMembers(input: {chatId: 1, userIds: []}) { __typename } }")
    assert needed(SCHEMA, root, root.operation(None)) == {"members:write": "Mutation.addMembers"}
