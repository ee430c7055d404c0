"""Letters: the code and the link are in both forms, and what people chose cannot change them."""

from datetime import UTC, datetime, timedelta

import pytest

from notify.letters import Doing, Letters, Notice, Reader

ANA = Reader(address="ana@example.org", handle="ana")
DOING = Doing(at=datetime(2026, 11, 2, 9, 5, tzinfo=UTC), address="203.0.113.0/24")
TOKEN = "Zk3pQ0v9lX2mT7yR4sW8nB1cD5fG6hJ0kLqEuIoPaSd"
LASTS = timedelta(hours=1)


@pytest.fixture
def letters():
    return Letters("Hubbub", "https://chat.example.org/")


def with_codes(letters):
    return {
        "verify-email": letters.verify_email(ANA, token=TOKEN, lasts=LASTS),
        "reset-password": letters.reset_password(ANA, token=TOKEN, lasts=LASTS),
        "restore-email": letters.email_changed(
            ANA, new_address="new@example.org", token=TOKEN, lasts=LASTS, doing=DOING
        ),
    }


def test_a_letter_with_a_code_has_it_alone_and_in_a_link_in_both_forms(letters):
    for page, message in with_codes(letters).items():
        link = f"https://chat.example.org/{page}#token={TOKEN}"
        assert f"\n    {TOKEN}\n" in message.text
        assert f"\n{link}\n" in message.text
        assert f'href="{link}"' in message.html
        assert f">{TOKEN}<" in message.html
        assert "within 1 hour." in message.text
        assert (message.to, message.subject.endswith(" – Hubbub")) == (ANA.address, True)


def test_without_a_client_s_address_a_letter_has_the_code_alone():
    for message in with_codes(Letters("Hubbub")).values():
        assert f"\n    {TOKEN}\n" in message.text
        assert "http" not in message.text
        assert "href" not in message.html
        assert f">{TOKEN}<" in message.html


def test_notices_say_what_when_and_from_where(letters):
    message = letters.notice(ANA, Notice.PASSWORD_CHANGED, DOING, has_password=True)
    assert "@ana has a new password." in message.text
    assert "2 November 2026 at 09:05 UTC, from 203.0.113.0/24." in message.text
    nowhere = letters.notice(
        ANA, Notice.PASSWORD_CHANGED, Doing(at=DOING.at, address=None), has_password=True
    )
    assert "at 09:05 UTC.\n" in nowhere.text


def test_whoever_asks_for_an_address_that_is_in_use_gives_its_owner_no_code(letters):
    message = letters.address_in_use(ANA, owner="anna")
    assert "@anna already" in message.text
    assert "code" not in message.text


def test_a_service_s_name_is_escaped_in_html_and_in_text_is_what_it_is():
    message = Letters("Fish & <Chips>").reset_password(ANA, token=TOKEN, lasts=LASTS)
    assert "Fish &amp; &lt;Chips&gt;" in message.html
    assert "<Chips>" not in message.html
    assert "Fish & <Chips>" in message.text
    assert message.subject == "Choose a new password – Fish & <Chips>"


def test_times_are_told_in_words(letters):
    for lasts, words in [
        (timedelta(hours=1), "1 hour."),
        (timedelta(hours=24), "24 hours."),
        (timedelta(days=3), "3 days."),
    ]:
        assert f"within {words}" in letters.reset_password(ANA, token=TOKEN, lasts=lasts).text


def test_no_line_of_a_text_but_a_link_is_long(letters):
    told = [letters.notice(ANA, each, DOING, has_password=True) for each in Notice]
    for message in [*with_codes(letters).values(), *told]:
        lines = [line for line in message.text.splitlines() if "://" not in line]
        assert max(map(len, lines)) <= 72
