"""A person's second factors from beginning to end: a passkey in Chromium, an app and its codes."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.parts.factors import ask, challenged, code_of, complete, enable_totp, factors_of
from tests.parts.people import PASSWORD, Person

# In the page: what a web client does, with nothing but what browsers have.
CLIENT = """
() => {
  window.run = async (query, variables, token) => {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    if (errors) throw new Error(JSON.stringify(errors));
    const [payload] = Object.values(data);
    if (payload?.errors?.length) throw new Error(JSON.stringify(payload.errors));
    return payload;
  };
  window.made = async (options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options));
    return JSON.stringify((await navigator.credentials.create({ publicKey })).toJSON());
  };
  window.answered = async (options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options));
    return JSON.stringify((await navigator.credentials.get({ publicKey })).toJSON());
  };
}
"""

REGISTER = """
async ([input]) => {
  const query = `mutation Register($input: RegisterInput!) {
    register(input: $input) { accessToken errors { code } } }`;
  return (await run(query, { input })).accessToken;
}
"""
REGISTER_PASSKEY = """
async ([token, name]) => {
  const { challengeId, options } = await run(`mutation {
    beginPasskeyRegistration { challengeId options errors { code } } }`, {}, token);
  const query = `mutation Finish($input: FinishPasskeyRegistrationInput!) {
    finishPasskeyRegistration(input: $input) { passkey { name } recoveryCodes errors { code } } }`;
  const credential = await made(options);
  return await run(query, { input: { challengeId, name, credential } }, token);
}
"""
LOG_OUT = """
async ([token]) => await run('mutation { logOut { errors { code } } }', {}, token)
"""
LOG_IN = """
async () => {
  const { challengeId, options } = await run(
    'mutation { beginPasskeyLogIn { challengeId options errors { code } } }');
  const query = `mutation Finish($input: FinishPasskeyLogInInput!) {
    finishPasskeyLogIn(input: $input) { accessToken errors { code } } }`;
  const credential = await answered(options);
  return (await run(query, { input: { challengeId, credential } })).accessToken;
}
"""
LOG_IN_WITH_PASSWORD = """
async ([handle, password]) => {
  const query = `mutation LogIn($input: LogInInput!) {
    logIn(input: $input) { accessToken challenge { token passkeyOptions } errors { code } } }`;
  const { accessToken, challenge } = await run(query, { input: { handle, password } });
  if (accessToken) throw new Error('the password was enough');
  const complete = `mutation Complete($input: CompleteLogInInput!) {
    completeLogIn(input: $input) { accessToken errors { code } } }`;
  const passkey = await answered(challenge.passkeyOptions);
  const input = { challengeToken: challenge.token, factor: { passkey } };
  return (await run(complete, { input })).accessToken;
}
"""
CONFIRM = """
async ([token]) => {
  const { challengeId, options } = await run(`mutation {
    beginPasskeyConfirmation { challengeId options errors { code } } }`, {}, token);
  const query = `mutation Confirm($input: ConfirmIdentityInput!) {
    confirmIdentity(input: $input) { confirmedUntil errors { code } } }`;
  const credential = await answered(options);
  return await run(query, { input: { passkey: { challengeId, credential } } }, token);
}
"""
WHO = """
async ([token]) => (await run('{ viewer { user { handle } } }', {}, token))?.user?.handle
"""

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.mark.timeout(180)
async def test_a_passkey_of_chromium_is_registered_and_logs_its_owner_in(hubbub, browser):
    server = await asyncio.to_thread(hubbub, "serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    context = await browser.new_context()
    page = await context.new_page()
    devtools = await context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    added = await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    await page.goto(f"http://localhost:{server.port}/graphiql/")
    await page.evaluate(CLIENT)

    person = {"handle": "ana", "password": PASSWORD, "displayName": "Ana Ruiz"}
    token = await page.evaluate(REGISTER, [person])
    registered = await page.evaluate(REGISTER_PASSKEY, [token, "Laptop"])
    assert registered["passkey"] == {"name": "Laptop"}
    assert len(registered["recoveryCodes"]) == 10
    kept = await devtools.send("WebAuthn.getCredentials", added)
    (credential,) = kept["credentials"]
    assert credential["isResidentCredential"]
    assert credential["rpId"] == "localhost"

    await page.evaluate(LOG_OUT, [token])
    with pytest.raises(Exception, match="UNAUTHENTICATED"):
        await page.evaluate(WHO, [token])
    token = await page.evaluate(LOG_IN)
    assert await page.evaluate(WHO, [token]) == "ana"
    assert await page.evaluate(CONFIRM, [token])
    token = await page.evaluate(LOG_IN_WITH_PASSWORD, ["ana", PASSWORD])
    assert await page.evaluate(WHO, [token]) == "ana"

    # The authenticator has one passkey of this account already, and Chromium makes no other.
    with pytest.raises(Exception, match="InvalidStateError"):
        await page.evaluate(REGISTER_PASSKEY, [token, "Laptop again"])
    # A page of another origin is not let near it: the address in numbers is one.
    await page.goto(f"{server.url}/graphiql/")
    await page.evaluate(CLIENT)
    with pytest.raises(Exception, match="SecurityError"):
        await page.evaluate(LOG_IN)
    await context.close()


@pytest.mark.timeout(180)
async def test_graphiql_asks_for_the_second_factor(hubbub, browser, screenshots):
    server = await asyncio.to_thread(hubbub, "serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    ana = Person(server.url)
    await ana.register("ana", displayName="Ana Ruiz")
    app, codes = await enable_totp(ana)
    context = await browser.new_context(viewport={"width": 1360, "height": 820})
    page = await context.new_page()
    devtools = await context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    await page.goto(f"http://localhost:{server.port}/graphiql/")
    await page.evaluate(CLIENT)
    await page.evaluate(REGISTER_PASSKEY, [ana.token, "Laptop"])
    await ana.close()

    async def meets(**fields: str) -> None:
        """Log in with the password; then fill in what is given, or else press for a passkey."""
        await page.get_by_test_id("handle").fill("ana")
        await page.get_by_test_id("password").fill(PASSWORD)
        await page.get_by_test_id("log-in").click()
        await expect(page.get_by_test_id("code")).to_be_focused()
        for code in fields.values():
            await page.get_by_test_id("code").fill(code)
            await page.get_by_test_id("complete").click()
        if not fields:
            await page.get_by_test_id("use-passkey").click()
        await expect(page.get_by_test_id("signed-in-as")).to_contain_text("@ana")
        await page.get_by_test_id("log-out").click()
        await expect(page.get_by_test_id("handle")).to_be_visible()

    await meets(totp=f"{app.code(1)[:3]} {app.code(1)[3:]}")
    await meets(recovery=codes[0])
    await meets()

    await page.get_by_test_id("handle").fill("ana")
    await page.get_by_test_id("password").fill(PASSWORD)
    await page.get_by_test_id("log-in").click()
    await page.get_by_test_id("code").fill(codes[0])
    for _ in range(4):
        await page.get_by_test_id("complete").click()
        await expect(page.get_by_test_id("sign-in-error")).to_contain_text("wrong, or was used")
    await page.screenshot(path=screenshots / "second-factor.png")
    await page.get_by_test_id("complete").click()
    await expect(page.get_by_test_id("sign-in-error")).to_contain_text("begin anew")
    await expect(page.get_by_test_id("handle")).to_be_visible()
    await context.close()


async def test_an_app_and_a_recovery_code_open_sessions_until_they_are_given_up(hubbub):
    server = await asyncio.to_thread(hubbub, "serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    laptop, phone, tablet = (Person(server.url) for _ in range(3))
    try:
        await laptop.register("ana")
        app, codes = await enable_totp(laptop)

        challenge = await challenged(phone, "ana")
        assert code_of(await complete(phone, challenge["token"], totpCode="12345")) == "BAD_FACTOR"
        phone.take(await complete(phone, challenge["token"], totpCode=app.code(1)))

        # The phone is lost, with the app on it.
        challenge = await challenged(tablet, "ana")
        tablet.take(await complete(tablet, challenge["token"], recoveryCode=codes[7]))
        assert (await factors_of(tablet))["recoveryCodesLeft"] == 9
        assert code_of(await ask(tablet, "disableTotp", "__typename")) is None
        app, codes = await enable_totp(tablet)
        challenge = await challenged(phone, "ana")
        phone.take(await complete(phone, challenge["token"], totpCode=app.code(1)))
    finally:
        for person in (laptop, phone, tablet):
            await person.close()
