"""A real browser for the report page: Debian's Chromium, headless, told by Selenium."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def browser(
    *, width: int = 1180, dark: bool = False, scripts: bool = True, name: str = "here.example"
) -> Iterator[WebDriver]:
    """A window on an empty profile. ``name`` is what this machine is called there, too."""
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.fail("the page is tested in Chromium: apt-get install chromium chromium-driver", pytrace=False)
    options = Options()
    options.binary_location = binary
    with tempfile.TemporaryDirectory(prefix="mirrordiff-browser-") as profile:
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            f"--host-resolver-rules=MAP {name} 127.0.0.1",
            f"--window-size={width},1400",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        if not scripts:
            options.add_experimental_option(
                "prefs", {"profile.managed_default_content_settings.javascript": 2}
            )
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        window = webdriver.Chrome(options=options, service=Service(driver))
        try:
            scheme = "dark" if dark else "light"
            window.execute_cdp_cmd(
                "Emulation.setEmulatedMedia",
                {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
            )
            if width < 700:
                # A window is never narrower than 500; a phone is.
                window.execute_cdp_cmd(
                    "Emulation.setDeviceMetricsOverride",
                    {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": True},
                )
            yield window
        finally:
            window.quit()


def complaints(window: WebDriver) -> list[str]:
    """What the browser's console says: refused by the policy, failed to load, thrown."""
    return [str(entry["message"]) for entry in window.get_log("browser")]  # type: ignore[no-untyped-call]


def accessibility_faults(window: WebDriver) -> list[str]:
    """What axe-core finds that is serious or worse: its rule and the places."""
    axe = files("axe_selenium_python").joinpath("node_modules/axe-core/axe.min.js").read_text("utf-8")
    window.execute_script(axe)
    found = window.execute_async_script("const done = arguments[0]; axe.run().then(done, done)")
    return [
        f"{fault['id']}: {[node['html'] for node in fault['nodes']][:3]}"
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
    ]
