"""``mirrordiff up --calibrate``: v1 against v1, and the noise it shows in a later run's verdict."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.evidence import ask, noisy, orders, serving
from tests.e2e.test_up import Run, starting
from tests.waiting import eventually

COUNT = 300


async def stop(run: Run) -> tuple[int, str]:
    run.process.send_signal(signal.SIGINT)
    return await run.end()


async def test_noise_measured_in_one_run_is_allowed_for_in_the_next(tmp_path: Path) -> None:
    file = tmp_path / "noise.json"
    async with serving(noisy("v1")) as v1, serving(noisy("v1 again")) as again, serving(noisy("v2")) as v2:
        async with starting(v1, again, "--calibrate", "--profile", str(file)) as run:
            await run.up()
            await ask(run.url, orders(COUNT))
            assert (await stop(run))[0] == 0
        assert {"session", "taken_us", "counts"} == set(json.loads(file.read_text()))

        async with starting(v1, v2, "--profile", str(file)) as run:
            await run.up()
            await ask(run.url, orders(COUNT))
            document: dict[str, Any] = {}

            async def compared() -> bool:
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{run.api}") as client:
                    answer = await client.get("/v1/services/default/gates/default/verdict")
                document.update(answer.json())
                return bool(document["pairs"] == str(COUNT))

            await eventually(compared, lambda: f"all pairs are compared: {document}", within=60)
            assert (await stop(run))[0] == 0
    (endpoint,) = document["endpoints"]
    assert endpoint["noiseSource"] == "profile"
    assert [field["field"] for field in endpoint["noisyFields"]] == ["$.shelf"]
    (profile,) = [check for check in document["checks"] if check["name"] == "noise profile recent"]
    assert profile["result"] == "PASS"
    assert f"of {COUNT} pairs" in profile["measure"]


async def test_calibrating_without_a_request_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "noise.json"
    async with (
        serving(noisy("v1")) as v1,
        starting(v1, v1, "--calibrate", "--profile", str(file)) as run,
    ):
        await run.up()
        code, said = await stop(run)
    assert (code, "no request was mirrored" in said, file.exists()) == (2, True, False)
