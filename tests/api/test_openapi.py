"""What OpenAPI says of each answer holds, and what it does not promise is refused in the same form."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from mirrordiff.process.redis import Client
from tests.api.conftest import Api
from tests.api.seeding import Seed


@pytest.fixture
async def seeded(redis: Client) -> None:
    seed = Seed()
    for number in range(12):
        seed.pair({"n": number, "t": 1}, {"n": number, "t": "1"}, control={"n": number, "t": 1})
    seed.pair(b"\xff\x00", b"\xff\x01", endpoint="GET /raw")
    await seed.write(redis)


def schema_of(openapi: dict[str, Any], operation: dict[str, Any], status: int) -> dict[str, Any] | None:
    """The schema of an answer, with what it refers to; None where it is no JSON."""
    content = operation["responses"][str(status)].get("content", {})
    for kind, described in content.items():
        if kind.endswith("json"):
            return {**described["schema"], "components": openapi["components"]}
    return None


@pytest.mark.usefixtures("seeded")
async def test_every_answer_is_as_described(api: Api) -> None:
    openapi = (await api.http.get("/openapi.json")).json()
    below = "/v1/services/orders/sessions/latest"
    ids = {"service_id": "orders", "session_id": "v2", "gate_id": "default"}
    for name in ("endpoint", "signature", "diff"):
        listed = (await api.http.get(f"{below}/{name}s")).json()[f"{name}s"]
        ids[f"{name}_id"] = listed[0]["name"].rpartition("/")[2]
    looked_at = 0
    for path, item in openapi["paths"].items():
        if "get" not in item or "events" in path or path.endswith("/profile"):
            continue
        operation = item["get"]
        query = {"view": "FULL"} if any(p["name"] == "view" for p in operation.get("parameters", ())) else {}
        answer = await api.http.get(path.format(**ids), params=query)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        schema = schema_of(openapi, operation, 200)
        assert schema is not None, path
        jsonschema.validate(answer.json(), schema)
        looked_at += 1
        refused = await api.http.get(path.format(**ids), params={"colour": "red"})
        assert refused.status_code == 400, path
        problem = schema_of(openapi, operation, 400)
        assert problem is not None, path
        jsonschema.validate(refused.json(), problem)
    assert looked_at >= 12


NASTY = [
    "%00",
    "%ff",
    "..%2f..%2fetc",
    "a%20b",
    "%E2%80%AE",
    "x" * 5000,
    "%7B%7D",
    "latest%0d%0aX-A:%20b",
    "'",
    '"',
]


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
async def test_no_name_makes_it_stumble(api: Api, text: str) -> None:
    for path in (
        f"/v1/services/{text}",
        f"/v1/services/orders/sessions/{text}/verdict",
        f"/v1/services/orders/sessions/v2/diffs/{text}",
        f"/v1/services/orders/gates/{text}/verdict",
        f"/v1/services/orders/sessions/v2/diffs?filter={text}&pageToken={text}",
        f"/v1/services/orders/gates/default/verdict?candidate={text}",
        f"/services/{text}/sessions/v2",
        f"/services/orders/sessions/v2?show={text}&signature={text}",
    ):
        answer = await api.http.get(path)
        assert answer.status_code in {200, 400, 404}, f"{path[:80]}: {answer.status_code}"
        assert "Traceback" not in answer.text
        if path.startswith("/v1") and answer.status_code != 200:
            assert answer.json()["domain"] == "mirrordiff"
