"""`docs/PROTOCOL.md` names the codes and limits that the code has."""

import ast
import re
from datetime import timedelta

import pytest

from accounts import password_rules, tokens
from models import edits, errors
from models.bans import MAX_REASON
from models.bots import BotScope
from models.messages import MAX_QUOTE
from models.pins import MAX_PINS
from models.reactions import MAX_KINDS
from models.reports import MAX_REPORT
from models.word_filters import MAX_PATTERN
from realtime import (
    connection,
    feed,
    hub,
    mailbox,
    online_counts,
    presence,
    presence_looks,
    presence_state,
    protocol,
    wire,
)
from realtime.protocol import CloseCode
from resolvers import (
    bans,
    blocks,
    bots,
    chats,
    confirmation,
    drafts,
    emails,
    evidence,
    filter_cache,
    forwarding,
    guests,
    incoming_webhooks,
    join_links,
    joining,
    link_previews,
    log_in_challenges,
    markup,
    matching,
    messages,
    names,
    passwords,
    polls,
    profiles,
    reactions,
    reports,
    scheduled,
    typing,
    users,
    webhook_feed,
    webhooks,
    word_filters,
)
from resolvers import presence as presence_cases
from resolvers.passkey_challenges import CHALLENGE_LASTS
from resolvers.rates import Rate
from resolvers.webhook_sending import GIVE_UP_AFTER, KEPT, OF_ONE_AT_ONCE
from schema import admission, cost, documents, limits, persisted
from schema.connections import MAX_PAGE
from schema.errors import ErrorCode
from schema.pacing import PACES, pace_of
from schema.policies import POLICIES
from schema.threads import PARTICIPANTS
from server import authentication, connections, graphql_http, streaming
from server.settings import Settings
from tests.docs.pages import Page, rows
from tests.house.checkout import ROOT

PAGE = Page.of("PROTOCOL.md")
SCHEMA = ("errors", "documents", "limits", "cost", "introspection", "persisted", "admission")
ONLY_TOP_LEVEL = {"INVALID_CURSOR", "CONFIRMATION_REQUIRED"}


def test_the_table_has_every_error_code_of_payloads():
    assert {code for code, _, _ in rows(PAGE.tables("Errors")[0])} == set(ErrorCode.__members__)


def test_every_refusal_has_a_code_that_payloads_can_carry():
    refusals = [errors.Refusal]
    for refusal in refusals:
        refusals += refusal.__subclasses__()
    codes = {refusal.code for refusal in refusals[1:]} - ONLY_TOP_LEVEL
    assert codes == set(ErrorCode.__members__)


def strings(file):
    """Return the string constants of a module."""
    tree = ast.parse((ROOT / file).read_text())
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def test_the_tables_have_every_code_that_is_a_top_level_error_always():
    code = re.compile(r"[A-Z]+(_[A-Z]+)+|TIMEOUT|INTERNAL|RECONNECT")
    files = ("server/graphql_http.py", "realtime/endpoint.py", "realtime/protocol.py")
    used = {
        text
        for file in (*files, "server/streaming.py", *(f"schema/{name}.py" for name in SCHEMA))
        for text in strings(file)
        if isinstance(text, str) and code.fullmatch(text) and text not in ErrorCode.__members__
    }
    told = {code for code, _ in rows(PAGE.tables("Errors")[1])}
    assert told == used | ONLY_TOP_LEVEL
    by_status = {
        word for word in re.findall(r"`(\w+)`", PAGE.tables("HTTP")[1]) if code.fullmatch(word)
    }
    assert by_status == used - {"RECONNECT"}


def test_the_table_has_every_close_code_that_is_sent_and_its_reasons():
    sources = [
        path.read_text().replace("{SUBPROTOCOL}", protocol.SUBPROTOCOL)
        for path in (ROOT / "realtime").glob("*.py")
    ]
    sent = {name for source in sources for name in re.findall(r"CloseCode\.([A-Z_]+)", source)}
    rows = PAGE.table("Closing")
    assert {int(code) for code, *_ in rows} == {CloseCode[name].value for name in sent}
    for _, reason, *_ in rows:
        if reason[0].isupper():  # otherwise it says what kind of reason it is
            assert any(reason.partition("…")[0] in source for source in sources), reason


def test_the_table_has_the_pace_of_every_field():
    others = {"queries": "Query.node", "other mutations": "Mutation.editMessage"}
    others["subscriptions"] = "Subscription.events"
    told = {}
    for fields, burst, per_second, _ in PAGE.table("How often things may be tried"):
        for field in re.findall(r"`(\w+)`", fields) or [fields]:
            told[others.get(field) or f"Mutation.{field}"] = (int(burst), float(per_second))
    assert told == {field: pace_of(field).value for field in {*PACES, *others.values()}}


def test_the_table_has_the_limits_of_the_code():
    told = {limit: number for limit, number, _ in PAGE.table("Limits")}
    assert told == {
        "`connection_init` after opening": f"{connection.INIT_TIMEOUT:.0f} s",
        "checking the token": f"{connection.AUTHENTICATION_TIMEOUT:.0f} s",
        "time between the server's pings": f"{connection.PING_INTERVAL:.0f} s",
        "time between a stream's heartbeats": f"{streaming.HEARTBEAT_INTERVAL:.0f} s",
        "nothing of what waits, or a piece of a stream, taken": f"{wire.SEND_TIMEOUT:.0f} s",
        "bytes that wait in a socket's connection before its events do": str(wire.LAG_LIMIT),
        "events waiting for one subscription": str(mailbox.MAILBOX),
        "characters of the messages among them": str(mailbox.MAILBOX_TEXT),
        "characters of an operation's id": str(protocol.MAX_ID),
        "operations on one socket": str(connection.MAX_OPERATIONS),
        "streams of one session on a node": str(streaming.MAX_STREAMS),
        "`events` subscriptions that wait on one node to catch up": str(feed.MAY_WAIT),
        "waiting for one's turn to catch up": f"{feed.TURN_TIMEOUT:.0f} s",
        "an `events` subscription becoming live": f"{hub.LIVE_TIMEOUT:.0f} s",
        "`events` without an event": f"{hub.IDLE:.0f} s, and up to as long again",
        "bytes of a frame, or of an HTTP body": str(graphql_http.MAX_BODY),
        "an HTTP body arriving": f"{graphql_http.BODY_TIMEOUT:.0f} s",
        "bytes of an HTTP request's address and headers": str(connections.MAX_HEAD),
        "an HTTP request's address and headers arriving": f"{connections.HEAD_TIMEOUT:.0f} s",
        f"bytes of an HTTP answer taken in {connections.STALL_TIMEOUT:.0f} s, at least": str(
            connections.LEAST_TAKEN
        ),
        "fragments of a frame": str(connections.MAX_FRAGMENTS),
        "bytes of a document": str(documents.MAX_BYTES),
        "bytes of an operation's variables": str(limits.MAX_VARIABLES),
        "bytes of a subscription's variables": str(limits.MAX_KEPT_VARIABLES),
        "tokens of a document": str(documents.MAX_TOKENS),
        "steps of comparing a document's fields": str(admission.MAX_MERGING),
        "levels of an operation": str(limits.MAX_DEPTH),
        "selections and fragments within each other": str(limits.MAX_NESTING),
        "aliases of an operation": str(limits.MAX_ALIASES),
        "directives of an operation": str(limits.MAX_DIRECTIVES),
        "fields at the root of an operation": str(limits.MAX_ROOT_FIELDS),
        "[cost](#cost) of an operation": str(cost.MAX_COST),
        "persisted queries that a node remembers": str(persisted.KEPT),
        "mutations that [try a password or a code](#accounts) in an operation": "1",
        "entries of a page, ids of `nodes`": str(MAX_PAGE),
        "characters of a message": str(messages.MAX_TEXT),
        "characters of a quote": str(MAX_QUOTE),
        "messages forwarded at once": str(forwarding.MAX_FORWARDED),
        "pinned messages of a chat": str(MAX_PINS),
        "characters of a reaction": str(reactions.MAX_EMOJI),
        "open [links](#coming-in) into a chat, uses of one": (
            f"{join_links.MAX_LINKS}, {join_links.MAX_USES}"
        ),
        "requests to be let into a chat that wait, of one person": (
            f"{join_links.MAX_PENDING}, {join_links.MAX_ASKED}"
        ),
        "bans of a chat": str(bans.MAX_BANS),
        "open links for guests into a chat, uses of one": f"{guests.MAX_LINKS}, {guests.MAX_USES}",
        "characters of a ban's reason": str(MAX_REASON),
        "characters of a [report](#reports)": str(MAX_REPORT),
        "[bots](#bots) of one person, tokens of one": f"{bots.MAX_BOTS}, {bots.MAX_TOKENS}",
        "[webhooks](#webhooks) of a chat, incoming ones": (
            f"{webhooks.MAX_OF_CHAT}, {incoming_webhooks.MAX_OF_CHAT}"
        ),
        "webhooks that one person has made, chats of one": (
            f"{webhooks.MAX_OF_PERSON}, {webhooks.MAX_CHATS}"
        ),
        "people whom one person blocks": str(blocks.MAX_BLOCKS),
        "[word filters](#word-filters) of a chat, patterns among them": (
            f"{word_filters.MAX_FILTERS}, {word_filters.MAX_PATTERNS}"
        ),
        "characters of a word filter": str(MAX_PATTERN),
        "letters of the words and parts of a chat's word filters, together": str(
            matching.MAX_LETTERS
        ),
        "different reactions to a message": str(MAX_KINDS),
        "characters of a poll's question": str(polls.MAX_QUESTION),
        "answers of a poll": f"{polls.FEWEST_OPTIONS} to {polls.MAX_OPTIONS}",
        "characters of a poll's answer": str(polls.MAX_OPTION),
        "days until a poll closes by itself": str(polls.CLOSES_WITHIN.days),
        "messages of one person that wait for later": str(scheduled.MAX_SCHEDULED),
        "days that a message waits": str(scheduled.AHEAD.days),
        "characters of a draft": str(messages.MAX_TEXT),
        "drafts of one person": str(drafts.MAX_DRAFTS),
        "people named as a thread's `participants`": str(PARTICIPANTS),
        "people added to a chat at once": str(chats.MAX_ADDED_AT_ONCE),
        "characters of a display name": str(names.MAX_NAME),
        "characters of a bio": str(profiles.MAX_BIO),
        "characters of a status": str(profiles.MAX_STATUS),
        "characters of a search for people": str(users.MAX_SEARCH),
        "handles kept for who gave them up": str(profiles.MAX_HELD),
        "people of one `presence` subscription": str(presence.MAX_IDS),
        "people whom one person's `presence` subscriptions on a node tell of": str(
            presence.MAX_PAIRS_OF_VIEWER
        ),
    }


def test_the_table_has_every_scope_of_bots_and_what_it_is_for():
    told = {scope.strip("`"): re.findall(r"`(\w+)`", text) for scope, text in PAGE.table("Bots")}
    assert told.keys() == set(BotScope)
    for scope, fields in told.items():
        named = {field for field, policy in POLICIES.items() if policy.scope == scope}
        assert {field.partition(".")[2] for field in named} == set(fields), scope


@pytest.mark.parametrize(
    ("heading", "words", "value"),
    [
        ("Signing in", "good for {} minutes", tokens.ACCESS_LIFETIME / timedelta(minutes=1)),
        ("Signing in", "not refreshed for {} days", tokens.REFRESH_LIFETIME / timedelta(days=1)),
        ("Signing in", "Within {} seconds", tokens.REFRESH_GRACE / timedelta(seconds=1)),
        ("Signing in", "after {} seconds in any case", authentication.RECHECK_AFTER),
        ("Second factors", "lasts {} minutes", CHALLENGE_LASTS / timedelta(minutes=1)),
        ("Second factors", "After {} codes in an hour", Rate.TOTP_OF_ACCOUNT.items[0].amount),
        ("Second factors", "or {} in a day", Rate.TOTP_OF_ACCOUNT.items[1].amount),
        ("Passkeys", "answer within {} minutes", CHALLENGE_LASTS / timedelta(minutes=1)),
        ("Dangerous changes", "for {} minutes", confirmation.CONFIRMED_FOR / timedelta(minutes=1)),
        ("Passwords", "at least {} characters", password_rules.MIN_LENGTH),
        ("Passwords", "at most {}, of any", password_rules.MAX_LENGTH),
        ("Addresses", "with a code for {} days", emails.RESTORE_LASTS / timedelta(days=1)),
        ("Mailed codes", "`verifyEmail` | {} days", emails.VERIFICATION_LASTS / timedelta(days=1)),
        ("Mailed codes", "`resetPassword` | {} hour", passwords.RESET_LASTS / timedelta(hours=1)),
        ("Mailed codes", "`requestPasswordReset` | {} days", emails.RESTORE_LASTS / timedelta(1)),
        ("Pings", "every {} seconds", connection.PING_INTERVAL),
        ("Subscriptions over HTTP", "every {} seconds", streaming.HEARTBEAT_INTERVAL),
        ("How a stream ends", "nothing is taken for {} seconds", wire.SEND_TIMEOUT),
        ("Resuming", "by default {} days", Settings.model_fields["log_days"].default),
        ("Guests", "open for {} hours", guests.LINK_LIFETIME / timedelta(hours=1)),
        ("Guests", "{} days at most", guests.MAX_LINK_LIFETIME / timedelta(days=1)),
        ("Coming in", "in {} days at the latest", join_links.MAX_LIFETIME / timedelta(days=1)),
        ("Coming in", "has {} open links", join_links.MAX_LINKS),
        ("Coming in", "again after {} days", join_links.DECLINED_FOR / timedelta(days=1)),
        ("Coming in", "a chat {} may wait", join_links.MAX_PENDING),
        ("Coming in", "one person for {} chats", join_links.MAX_ASKED),
        ("Coming in", "more than {} times an hour", Rate.ASK_TO_JOIN.items[0].amount),
        ("Coming in", "the admins, {} of them at most", joining.KEEPERS_TOLD),
        ("Word filters", "up to {} filters", word_filters.MAX_FILTERS),
        ("Word filters", "there are {} at most", word_filters.MAX_PATTERNS),
        ("Word filters", "more than {} stretches", matching.MAX_STRETCHES),
        ("Word filters", "within {} seconds", filter_cache.RECHECKED),
        ("Blocks", "blocks {} at most", blocks.MAX_BLOCKS),
        ("Reports", "up to {} messages before", evidence.BEFORE),
        ("Reports", "and {} after it", evidence.AFTER),
        ("Reports", "({} characters of each)", evidence.MAX_AROUND),
        ("Reports", "kept for {} days", reports.KEPT_FOR / timedelta(days=1)),
        ("Reports", "reports {} times a day", Rate.REPORT.items[0].amount),
        ("Administrators", "{} seconds later", authentication.RECHECK_AFTER),
        ("Names", "for {} days nobody but", profiles.HELD_FOR / timedelta(days=1)),
        ("What messages say", "more than {} levels deep", markup.MAX_NESTING),
        ("What messages say", "more than {} characters that may be marks", markup.MAX_MARKS),
        ("Edits", "the last {} versions", edits.KEPT),
        ("Answers and quotes", "up to {} characters", MAX_QUOTE),
        ("Forwarding", "up to {} messages", forwarding.MAX_FORWARDED),
        ("Pins", "at most {}.", MAX_PINS),
        ("Webhooks", "up to {} `chatIds`", webhooks.MAX_CHATS),
        ("Webhooks", "A chat has {} at most", webhooks.MAX_OF_CHAT),
        ("How it is delivered", "for {} hours", GIVE_UP_AFTER / timedelta(hours=1)),
        ("How it is delivered", "the last {}, with the status", KEPT),
        ("How it is delivered", "{} deliveries wait at most", webhook_feed.MAX_WAITING),
        ("How it is delivered", "To {} webhooks of one maker", OF_ONE_AT_ONCE),
        ("Link previews", "Of a page {} KiB", link_previews.MAX_PAGE / 1024),
        ("Typing", "{} seconds after it was said", typing.TYPING_LASTS / timedelta(seconds=1)),
        ("Presence", "for {} seconds", presence_state.LINGER / timedelta(seconds=1)),
        ("Presence", "within {} seconds", presence_looks.LOOK_INTERVAL),
        ("Presence", "Up to {} members", presence_cases.COUNTED_UP_TO),
        ("Presence", "a sample of {} members", online_counts.SAMPLE),
        ("Presence", "for {} seconds,", online_counts.COUNT_LASTS / timedelta(seconds=1)),
        ("Cost", "`Chat.onlineCount` {}", cost.HEAVY["Chat.onlineCount"]),
    ],
)
def test_a_number_in_the_text_is_that_of_the_code(heading, words, value):
    text = " ".join(PAGE.section(heading).split())
    assert words.format(f"{float(value):.0f}") in text


def named_in(first, last):
    """Return the fields that the sentence names which begins and ends so."""
    _, found, rest = PAGE.prose.partition(first)
    assert found
    return set(re.findall(r"`(\w+)`", rest.partition(last)[0]))


def test_the_text_names_every_mutation_of_which_an_operation_has_one():
    first = "Of the mutations that try a password or a code, an operation may have one:"
    assert named_in(first, ".") == limits.CREDENTIALS


def test_the_text_names_every_change_that_asks_for_proof():
    confirmed = {
        name.partition(".")[2]
        for name, policy in POLICIES.items()
        if policy.confirmed and not policy.admin
    }
    assert named_in("### Dangerous changes", "ask for somebody") == confirmed


def test_the_fifth_wrong_try_is_the_last():
    assert "with the fifth wrong try" in " ".join(PAGE.section("Second factors").split())
    assert log_in_challenges.MAX_TRIES == 5


def test_the_messages_are_those_of_the_protocol():
    told = {name for name, *_ in PAGE.table("WebSocket")}
    source = strings("realtime/protocol.py")
    assert told <= source
    assert protocol.SUBPROTOCOL in PAGE.section("WebSocket")
