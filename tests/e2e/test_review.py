"""Review in a browser while traffic flows: found, accepted, taken over by the worker, and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from tests.api.processes import api_process
from tests.captures import pair, write
from tests.e2e.browser import browser, complaints
from tests.processes import worker

# Enough for a verdict within seconds; what is judged, and how, is as ever.
POLICY = "{tolerance: 30%, min_pairs: 20, min_duration: 1s}"
NOTE = "the tax office <i>asked</i> for it"


async def traffic(client: Any, over: asyncio.Event) -> None:
    """Mirrored requests to two services, one of them with a total that v2 counts otherwise."""
    for start in takewhile(lambda _: not over.is_set(), count(step=10)):
        halves = [
            half
            for number in range(start, start + 10)
            for service, change in (("orders", 1), ("calm", 0))
            for half in pair(
                2 * number + change, {"total": number}, {"total": number + change}, service=service
            )
        ]
        await write(client, halves)
        await asyncio.sleep(0.2)


@pytest.fixture
async def address(redis_url: str, redis: Any, tmp_path: Path) -> AsyncIterator[str]:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    over = asyncio.Event()
    flowing = asyncio.create_task(traffic(redis, over))
    try:
        with worker(redis_url, tmp_path) as judge:
            async with api_process(redis_url, MIRRORDIFF_POLICY=str(policy)) as started:
                yield f"http://{started}"
            assert await judge.stop() == 0, judge.said()
    finally:
        # Not cancelled: what it awaits may end at that very moment, and it would go on for ever.
        over.set()
        await flowing


def patient(window: WebDriver) -> WebDriverWait[WebDriver]:
    """Waits on a page that renews itself while it is looked at."""
    passing = [StaleElementReferenceException, NoSuchElementException]
    return WebDriverWait(window, 60, ignored_exceptions=passing)


def verdict_is(window: WebDriver, words: str) -> None:
    patient(window).until(lambda page: page.find_element(By.TAG_NAME, "h1").text == words)


def listed(window: WebDriver, address: str, service: str) -> bool:
    """Whether the front page, asked for again, has a service."""
    window.get(address)
    return bool(window.find_elements(By.PARTIAL_LINK_TEXT, service))


def press(window: WebDriver, xpath: str) -> None:
    def pressed(page: WebDriver) -> bool:
        page.find_element(By.XPATH, xpath).click()
        return True

    patient(window).until(pressed)


async def test_a_regression_is_found_accepted_and_that_taken_back_while_traffic_flows(address: str) -> None:
    def look() -> None:
        with browser() as window:
            patient(window).until(lambda page: listed(page, address, "orders"))
            press(window, "//a[contains(., 'orders')]")
            verdict_is(window, "✕ Block the release")
            first = patient(window).until(lambda page: page.find_element(By.CSS_SELECTOR, ".ep"))
            if not first.get_attribute("open"):
                press(window, "//summary[contains(., 'GET /orders/{id}')]")
            press(window, "//tr[contains(., '$.total')]//a")
            patient(window).until(lambda page: "signature=" in page.current_url)
            press(window, "//details[@id='review']/summary")
            window.find_element(By.NAME, "note").send_keys(NOTE)
            press(window, "//button[.='Accept this change']")
            verdict_is(window, "✓ Safe to release")
            # As a rule of the worker's, with what it has excused, and not only as somebody's wish.
            rule = f"//details[@id='rules']//tr[contains(., '{NOTE}')]/td[@class='n']"
            patient(window).until(
                lambda page: int(page.find_element(By.XPATH, rule).text.replace(",", "")) > 0
            )
            press(window, "//button[.='Undo']")
            verdict_is(window, "✕ Block the release")
            assert NOTE not in window.find_element(By.TAG_NAME, "main").text
            assert complaints(window) == []

    await asyncio.to_thread(look)
