"""GraphiQL in Chromium, as the README's first conversation has it, with no outside host reached."""

import asyncio
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.parts.people import PASSWORD, Person, until_subscribed

VIEWPORT = {"width": 1280, "height": 800}


async def sign_up(page: Page, handle: str, name: str) -> None:
    await page.get_by_test_id("handle").fill(handle)
    await page.get_by_test_id("password").fill(PASSWORD)
    await page.get_by_test_id("register").click()
    await page.get_by_test_id("display-name").fill(name)
    await page.get_by_test_id("register").click()
    await expect(page.get_by_test_id("signed-in-as")).to_contain_text(f"@{handle}")


async def run(page: Page, query: str, *, expecting: str) -> None:
    """Type a query into a fresh tab, run it, and wait for a text in its result."""
    await page.get_by_role("button", name="New tab").click()
    editor = page.locator(".graphiql-query-editor .monaco-editor").first
    await editor.click()
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text(query)
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".result-window")).to_contain_text(expecting)


@pytest.mark.timeout(180)
async def test_two_people_talk_in_graphiql_and_a_subscription_shows_it(
    hubbub, browser, screenshots
):
    server = await asyncio.to_thread(hubbub, "serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    hosts: set[str] = set()
    complaints: list[str] = []
    context = await browser.new_context(viewport=VIEWPORT)
    context.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    ana, ben = await context.new_page(), await context.new_page()
    for page in (ana, ben):
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type == "error" else None,
        )
    await ana.goto(f"{server.url}/graphiql/")
    await sign_up(ana, "ana", "Ana Ruiz")
    await ben.goto(server.url)  # the bare address leads to the page too
    await sign_up(ben, "ben", "Ben Okafor")

    await run(ana, "{ viewer { user { handle } unreadCount } }", expecting='"handle": "ana"')
    person = Person(server.url)
    await person.log_in("ana")
    ben_id = (await person.ask('{ user(handle: "ben") { id } }'))["user"]["id"]
    create = (
        'mutation { createChat(input: { kind: GROUP, title: "Friday plans", '
        f'memberIds: ["{ben_id}"] }}) {{ chat {{ id title memberCount }} errors {{ message }} }} }}'
    )
    await run(ana, create, expecting="Friday plans")

    listen = (
        "subscription Listen {\n  events {\n    __typename\n    occurredAt\n    chat { title }\n"
        "    ... on MessageSent {\n      message { seq text sender { displayName } }\n    }\n  }\n}"
    )
    await run(ben, listen, expecting="")
    chats = (await person.ask("{ viewer { chats { nodes { id } } } }"))["viewer"]["chats"]
    chat_id = chats["nodes"][0]["id"]
    await person.close()
    await until_subscribed(server.url, 1)
    send = (
        f'mutation {{ sendMessage(input: {{ chatId: "{chat_id}", text: "Pizza at seven?", '
        'clientMessageId: "3f0c8a52-6f0e-4b43-9a39-0f6d3f1f7a11" }) '
        "{ message { seq text } errors { message } } }"
    )
    await run(ana, send, expecting="Pizza at seven?")
    await expect(ben.locator(".result-window")).to_contain_text("Pizza at seven?")
    await expect(ben.locator(".result-window")).to_contain_text("Ana Ruiz")
    await ben.screenshot(path=screenshots / "graphiql.png")

    assert hosts == {urlsplit(server.url).netloc}
    assert complaints == []
    await context.close()
