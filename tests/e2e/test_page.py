"""The report page in a real browser, on a running API: found in three clicks, whole without a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from mirrordiff.process.redis import Client
from mirrordiff.redis_keys import resource_id
from tests.api.processes import api_process
from tests.api.seeding import Seed, planted
from tests.e2e.browser import accessibility_faults, browser, complaints

REPORT = "/services/orders/sessions/v2"


@pytest.fixture
async def address(redis_url: str, redis: Client) -> AsyncIterator[str]:
    await planted(Seed(), pairs=360).write(redis)
    calm = Seed(service="calm")
    calm.same(20)
    await calm.write(redis)
    async with api_process(redis_url) as started:
        yield f"http://{started}"


def seen(window: WebDriver, selector: str) -> str:
    return window.find_element(By.CSS_SELECTOR, selector).text


async def test_the_regression_is_found_in_three_clicks(address: str) -> None:
    def look() -> None:
        with browser() as window:
            window.get(address)
            window.find_element(By.PARTIAL_LINK_TEXT, "orders").click()
            assert seen(window, "h1") == "✕ Block the release"
            endpoint = window.find_element(By.XPATH, "//summary[contains(., 'GET /orders/{id}')]")
            endpoint.click()
            window.find_element(By.XPATH, "//tr[contains(., '$.total')]//a").click()
            assert "signature=" in window.current_url
            changed = window.find_element(By.CSS_SELECTOR, ".diff .r.regression")
            left, right = changed.find_elements(By.TAG_NAME, "mark")
            assert right.text == f'"{left.text}0"'
            assert complaints(window) == []

    await asyncio.to_thread(look)


async def test_a_regression_is_accepted_and_that_undone_without_a_script(address: str) -> None:
    def look() -> None:
        with browser(scripts=False) as window:
            window.get(address + REPORT)
            window.find_element(By.CSS_SELECTOR, "#review summary").click()
            window.find_element(By.NAME, "note").send_keys("agreed <i>with</i> Ada")
            window.find_element(By.XPATH, "//button[.='Accept this change']").click()
            WebDriverWait(window, 10).until(lambda there: there.current_url.endswith(f"{REPORT}#rules"))
            if not window.find_element(By.CSS_SELECTOR, "#rules form").is_displayed():
                window.find_element(By.CSS_SELECTOR, "#rules summary").click()
            assert "agreed <i>with</i> Ada" in seen(window, "#rules")
            window.find_element(By.XPATH, "//button[.='Undo']").click()
            WebDriverWait(window, 10).until(
                lambda there: not there.find_elements(By.CSS_SELECTOR, "#rules form")
            )
            assert complaints(window) == []

    await asyncio.to_thread(look)


async def test_it_is_whole_without_a_script(address: str) -> None:
    def look() -> None:
        with browser(scripts=False) as window:
            window.get(address + REPORT)
            assert seen(window, "h1") == "✕ Block the release"
            assert "division by zero" in seen(window, "#example")
            window.find_element(By.LINK_TEXT, "Same 1").click()
            assert "GET /health" in seen(window, ".eps")
            window.find_element(By.CSS_SELECTOR, "#not-compared summary").click()
            assert "Everything that was captured was compared" in seen(window, "#not-compared")

    await asyncio.to_thread(look)


def too_wide(window: WebDriver) -> int:
    """By how many pixels the page is wider than its window."""
    # Not than innerWidth: a phone zooms out until it shows all of a page that is too wide.
    wide = "const page = document.documentElement; return page.scrollWidth - page.clientWidth"
    return int(window.execute_script(wide))


@pytest.mark.parametrize(("width", "dark"), [(1180, False), (1180, True), (390, False), (390, True)])
async def test_it_can_be_read_by_everyone(address: str, width: int, dark: bool) -> None:
    def look() -> None:
        with browser(width=width, dark=dark) as window:
            window.get(address + REPORT)
            states = ["/", REPORT, f"{REPORT}?show=all", f"{REPORT}?find=no+such", "/services/none"]
            for text in ("Link to this endpoint", "next"):
                link = window.find_element(By.LINK_TEXT, text).get_attribute("href")
                states.append(str(link).removeprefix(address))
            for path in states:
                window.get(address + path)
                # Open is all there is to see: reviews, tables, what was not compared.
                window.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
                assert accessibility_faults(window) == [], path
                assert too_wide(window) <= 0, path
            assert [each for each in complaints(window) if "404" not in each] == []
            window.find_element(By.TAG_NAME, "body").send_keys("?")
            assert accessibility_faults(window) == []

    await asyncio.to_thread(look)


async def test_keys_do_what_the_help_says(address: str) -> None:
    def look() -> None:
        with browser() as window:
            window.get(address + REPORT)
            body = window.find_element(By.TAG_NAME, "body")
            body.send_keys("?")
            assert "next, previous row" in seen(window, ".help")
            window.switch_to.active_element.send_keys(Keys.ESCAPE)
            WebDriverWait(window, 10).until_not(lambda page: page.find_elements(By.CSS_SELECTOR, ".help"))
            window.find_element(By.ID, "keys").click()
            window.switch_to.active_element.send_keys("?")
            WebDriverWait(window, 10).until_not(lambda page: page.find_elements(By.CSS_SELECTOR, ".help"))
            body.send_keys("a")
            assert window.find_element(By.NAME, "note").is_displayed()
            window.execute_script("document.activeElement.blur()")
            body.send_keys("jjjj")
            assert window.switch_to.active_element.text.startswith("example 1 of")
            first = window.current_url
            window.switch_to.active_element.send_keys("n")
            WebDriverWait(window, 10).until(lambda seen: seen.current_url != first)
            assert "example=2" in window.current_url

    await asyncio.to_thread(look)


async def test_it_changes_by_itself(address: str, redis: Client) -> None:
    def wait_for(window: WebDriver, selector: str, text: str) -> None:
        WebDriverWait(window, 20, ignored_exceptions=[Exception]).until(
            lambda _: text in seen(window, selector)
        )

    with browser() as window:
        await asyncio.to_thread(window.get, f"{address}/services/calm/sessions/v2")
        await asyncio.to_thread(wait_for, window, "#live", "live")
        assert seen(window, "h1") == "? Not enough evidence"
        broken = Seed(service="calm")
        for number in range(20):
            broken.pair({"n": number}, {}, statuses=(200, 500))
        await broken.write(redis)
        await asyncio.to_thread(wait_for, window, "h1", "Block the release")
        assert window.title.startswith("FAIL")
        assert complaints(window) == []


async def test_an_attack_stays_text_and_in_its_place(address: str, redis: Client) -> None:
    markup = "</div><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    attack = f"{markup}\u202e\x1b[31m\0\ud800{'x' * 3000}"
    named = attack.replace("\0", "").replace("\ud800", "")
    seed = Seed(service=f"attacked {named[:200]}", candidate=named[:200])
    for number in range(20):
        seed.pair(
            json.dumps({"v": attack, attack: 1}).encode(),
            json.dumps({"v": f"{attack}{number}", attack: 1}).encode(),
            endpoint=f"GET /{named.replace(' ', '')}",
            path=f"/{named}",
            headers=({}, {"x-a": named.replace("\x1b", "")}),
        )
    await seed.write(redis)

    def look() -> None:
        with browser(width=390) as window:
            window.get(f"{address}/services/{resource_id(seed.service)}")
            window.find_element(By.CSS_SELECTOR, "#review summary").click()
            window.find_element(By.NAME, "note").send_keys(f"because {markup}")
            window.find_element(By.XPATH, "//button[.='Accept this change']").click()
            WebDriverWait(window, 10).until(lambda there: there.current_url.endswith("#rules"))
            window.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
            shown = seen(window, "#example").replace("\n", "")
            assert markup in shown
            assert r"⟨U+202E⟩\u001b[31m\u0000⟨U+D800⟩" in shown
            assert f"because {markup}" in seen(window, "#rules")
            window.get(address)
            assert markup in seen(window, ".front")
            assert "owned" not in window.title
            assert too_wide(window) <= 0
            window.back()
            assert "owned" not in window.title.partition("attacked")[0]
            assert too_wide(window) <= 0
            assert complaints(window) == []

    await asyncio.to_thread(look)
