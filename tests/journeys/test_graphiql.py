"""The first conversation of the README, in GraphiQL in Chromium, with no outside host reached."""

import asyncio
import json
import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.parts.people import PASSWORD, until_subscribed

VIEWPORT = {"width": 1360, "height": 820}


async def register(page: Page, handle: str, name: str) -> None:
    await page.bring_to_front()
    await page.get_by_test_id("handle").fill(handle)
    await page.get_by_test_id("password").fill(PASSWORD)
    await page.get_by_test_id("register").click()
    await page.get_by_test_id("display-name").fill(name)
    await page.get_by_test_id("register").click()
    await expect(page.get_by_test_id("signed-in-as")).to_contain_text(f"@{handle}")


async def play(page: Page, tab: str, *, expecting: str = "", **variables: object) -> str:
    """Run one of the prepared tabs with these variables; return its result once it shows a text."""
    await page.bring_to_front()  # a page in the background is drawn once a second, and so is slow
    await page.locator(".graphiql-tab-button", has_text=re.compile(f"^{tab}$")).click()
    query = page.locator(".graphiql-query-editor")
    await expect(query).to_contain_text(re.compile(tab))
    if variables:
        editor = page.locator('[data-uri$="variables.json"]')
        await editor.click()
        await page.keyboard.press("Control+A")
        # Pasted: what is typed, the editor completes with brackets and quotes of its own.
        await page.evaluate("text => navigator.clipboard.writeText(text)", json.dumps(variables))
        await page.keyboard.press("Control+V")
        await expect(editor).to_contain_text(str(variables[next(iter(variables))]))
    await page.get_by_role("button", name=re.compile("Execute")).click()
    result = page.locator(".result-window")
    await expect(result).to_contain_text(expecting)
    return await result.inner_text()


def id_after(key: str, result: str) -> str:
    """Return the first id in a result that follows a key."""
    found = re.search(rf'"{key}"[^"]*"id":\s*"([\w-]+)"', re.sub(r"\s+", " ", result))
    assert found, result
    return found[1]


@pytest.mark.timeout(180)
async def test_two_people_have_their_first_conversation_in_graphiql(hubbub, browser, screenshots):
    server = await asyncio.to_thread(hubbub, "serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    hosts: set[str] = set()
    complaints: list[str] = []
    context = await browser.new_context(
        viewport=VIEWPORT, permissions=["clipboard-read", "clipboard-write"]
    )
    context.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    ana, ben = await context.new_page(), await context.new_page()
    await ana.goto(f"{server.url}/graphiql/")
    await register(ana, "ana", "Ana Ruiz")
    await ben.goto(server.url)  # the bare address leads to the page too
    await register(ben, "ben", "Ben Okafor")

    await play(ana, "WhoAmI", expecting='"handle": "ana"')
    ben_id = id_after("user", await play(ana, "FindPerson", handle="ben", expecting="Ben Okafor"))
    chat = {"title": "Friday plans", "memberIds": [ben_id]}
    chat_id = id_after("chat", await play(ana, "CreateChat", expecting="Friday plans", **chat))

    await play(ben, "Listen")
    await until_subscribed(server.url, 1)
    message = {"chatId": chat_id, "text": "Pizza at seven?", "clientMessageId": ""}
    await play(ana, "SendMessage", expecting="Pizza at seven?", **message)
    await ben.bring_to_front()
    await expect(ben.locator(".result-window")).to_contain_text("Pizza at seven?")
    await expect(ben.locator(".result-window")).to_contain_text("Ana Ruiz")
    await ben.screenshot(path=screenshots / "graphiql.png")
    await play(ana, "History", chatId=chat_id, expecting="Pizza at seven?")

    assert hosts == {urlsplit(server.url).netloc}
    assert complaints == []
    await context.close()
