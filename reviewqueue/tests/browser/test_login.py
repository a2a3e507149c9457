"""Logging in, in a real browser."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def launchpad(service, queue, settings, monkeypatch):
    settings.LAUNCHPAD_LOGIN = True
    settings.LOGIN_SERVICES = {"launchpad": service.url, "ubuntu": service.url}
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, "accounts.sso.LaunchpadLogin"]
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    allowed = {**directives, "form-action": ["'self'", service.url]}  # as settings.py does with the switch on
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": allowed}
    monkeypatch.setattr("social_core.backends.utils.BACKENDSCACHE", {})
    monkeypatch.setenv("SSL_CERT_FILE", str(service.certificate))
    return service


@pytest.mark.parametrize("look", ["light", "dark"])
def test_login_and_account_are_accessible(window, look, queue, reviewer, launchpad, accessible, overflow):
    page = window(color_scheme=look, viewport={"width": 390, "height": 800})
    page.goto("/login/")
    accessible(page)
    page.fill("#id_username", "marta-k")
    page.fill("#id_password", "wrong")
    page.locator("main").get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    accessible(page)
    assert overflow(page) == 0
    page.fill("#id_password", "correct horse")
    page.locator("main").get_by_role("button", name="Log in", exact=True).click()
    page.goto("/account/")
    accessible(page)
    assert overflow(page) == 0


def test_without_script_one_logs_in_with_launchpad_and_comes_back(window, launchpad):
    page = window(java_script_enabled=False, ignore_https_errors=True)
    page.goto("/login/?next=/search/")
    page.get_by_role("button", name="Log in with Launchpad").click()
    expect(page).to_have_url(page.url.split("/search")[0] + "/search/")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    expect(page.get_by_role("link", name="marta-k")).to_be_visible()
