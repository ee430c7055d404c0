"""The GraphiQL page: where it is, and under what policy."""

import re


async def test_the_page_is_served_under_a_strict_policy_and_is_asked_for_again(sqlite_server):
    page = await sqlite_server.person().get("/graphiql/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-cache"
    assert "://" not in re.sub(r'xmlns="[^"]*"', "", page.text)  # nothing from another host


async def test_its_parts_are_kept_by_browsers_for_good(sqlite_server):
    person = sqlite_server.person()
    script = re.search(r'src="\./(assets/[^"]+\.js)"', (await person.get("/graphiql/")).text)
    assert script
    part = await person.get(f"/graphiql/{script[1]}")
    assert part.status_code == 200
    assert "immutable" in part.headers["cache-control"]


async def test_short_addresses_lead_to_the_page(sqlite_server):
    person = sqlite_server.person()
    assert (await person.get("/")).headers["location"] == "graphiql/"
    assert (await person.get("/graphiql")).headers["location"] == "graphiql/"


async def test_files_outside_the_page_are_not_served(sqlite_server):
    person = sqlite_server.person()
    for path in ("/graphiql/../pyproject.toml", "/graphiql/%2e%2e/package.json", "/graphiql/none"):
        assert (await person.get(path)).status_code == 404
