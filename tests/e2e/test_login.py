"""Signing in to the report page with a real browser, which decides itself what it sends along."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from mirrordiff.process.redis import Client
from tests.api.processes import api_process
from tests.api.seeding import Seed, planted
from tests.e2e.browser import accessibility_faults, browser, complaints

NAME = "mirrordiff.example"
TOKEN = "the-token-of-a-person"
REPORT = "/services/orders/sessions/v2?show=all"


@pytest.fixture
async def port(redis_url: str, redis: Client, tmp_path: Path) -> AsyncIterator[int]:
    """A page that asks for a token, and may be called by a name."""
    await planted(Seed(), pairs=60).write(redis)
    file = tmp_path / "tokens.yaml"
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    file.write_text(f"- {{name: ada, sha256: {digest}, scopes: [body:read]}}\n")
    async with api_process(
        redis_url, MIRRORDIFF_TOKENS=str(file), MIRRORDIFF_PUBLIC_URL=f"http://{NAME}"
    ) as address:
        yield urlsplit(f"http://{address}").port or 0


def sign_in(window: WebDriver, token: str) -> None:
    window.find_element(By.ID, "token").send_keys(token)
    window.find_element(By.TAG_NAME, "button").click()


# On a name without TLS a browser says less about where a form comes from than on this machine.
@pytest.mark.parametrize(("host", "dark"), [("127.0.0.1", False), (NAME, True)])
async def test_a_person_signs_in_and_is_where_they_wanted_to_be(port: int, host: str, dark: bool) -> None:
    def look() -> None:
        with browser(name=NAME, dark=dark) as window:
            window.get(f"http://{host}:{port}{REPORT}")
            assert window.find_element(By.TAG_NAME, "h1").text == "Sign in"
            assert accessibility_faults(window) == []
            assert complaints(window) == []
            sign_in(window, "wrong")
            alert = WebDriverWait(window, 20).until(
                lambda on: on.find_element(By.CSS_SELECTOR, "[role=alert]")
            )
            assert "not known" in alert.text
            complaints(window)  # the browser mentions the 401
            sign_in(window, TOKEN)
            WebDriverWait(window, 20).until(lambda on: on.current_url == f"http://{host}:{port}{REPORT}")
            assert "division by zero" in window.page_source
            assert TOKEN not in window.execute_script("return document.cookie")
            assert complaints(window) == []

    await asyncio.to_thread(look)
