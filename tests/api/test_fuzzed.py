"""schemathesis asks the running API what OpenAPI says can be asked, and what it says cannot."""

from __future__ import annotations

import asyncio
import json
import sysconfig
from hashlib import sha256
from pathlib import Path
from typing import Any

from mirrordiff.process.redis import Client
from tests.api.conftest import Api, running
from tests.api.seeding import Seed, planted

BELOW = "/v1/services/orders/sessions/v2"
HEADERS = {"Authorization": "Bearer everything"}
METHODS = {"get", "post", "delete"}

# Ids of what is there, so that the requests get past "no such resource"; names that are none have tests
# of their own. Whether a token was given out, a filter names columns, and a day is past, no schema says.
CONFIG = """
[parameters]
"path.service_id" = "orders"
"path.session_id" = "v2"
"path.gate_id" = "default"
"path.endpoint_id" = "{endpoint}"
"path.signature_id" = "{signature}"
"path.diff_id" = "{diff}"
"path.review_id" = "{review}"
"query.pageToken" = ""
"query.filter" = ""
"query.orderBy" = ""
"query.gate" = "default"
"query.session" = "calibration"
"header.last-event-id" = ""

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "412"]

[[operations]]
include-name = "POST /v1/services/{{service_id}}/reviews"
checks.positive_data_acceptance.enabled = false
"""


async def ids(api: Api) -> dict[str, str]:
    """One of each resource that is below a service."""
    found: dict[str, str] = {}
    for kind in ("endpoint", "signature", "diff"):
        listed = (await api.http.get(f"{BELOW}/{kind}s", headers=HEADERS)).json()
        found[kind] = listed[f"{kind}s"][0]["name"].rpartition("/")[2]
    wanted = {"signature": found["signature"], "action": "expect", "note": "meant"}
    made = await api.http.post("/v1/services/orders/reviews", json=wanted, headers=HEADERS)
    return {**found, "review": made.json()["name"].rpartition("/")[2]}


async def test_every_operation_holds_what_openapi_says(redis: Client, tmp_path: Path) -> None:
    await planted(Seed(), pairs=60).write(redis)
    calibration = Seed(candidate="calibration")
    calibration.same(50)
    await calibration.write(redis)
    tokens = tmp_path / "tokens.jsonl"
    digest = sha256(b"everything").hexdigest()
    tokens.write_text(json.dumps({"name": "all", "sha256": digest, "scopes": ["body:read", "write"]}))
    async with running(redis, tokens=tokens) as api:
        # Watches tell the present verdict and end.
        api.service.close()
        config = tmp_path / "schemathesis.toml"
        config.write_text(CONFIG.format(**await ids(api)))
        openapi: dict[str, Any] = (await api.http.get("/openapi.json")).json()
        process = await asyncio.create_subprocess_exec(
            Path(sysconfig.get_path("scripts")) / "schemathesis",
            *("--config-file", config, "run", f"http://{api.address}/openapi.json"),
            *("--header", f"Authorization: {HEADERS['Authorization']}", "--phases", "coverage,fuzzing"),
            *("--max-examples", "5", "--seed", "1", "--request-timeout", "20", "--continue-on-failure"),
            *("--no-color",),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    operations = sum(len(METHODS & item.keys()) for item in openapi["paths"].values())
    assert f"Tested: {operations}\n" in said, said
