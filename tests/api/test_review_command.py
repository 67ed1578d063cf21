"""``mirrordiff review`` against a running API."""

from __future__ import annotations

import json

from mirrordiff.process.redis import Client
from tests.api.processes import api_process, command
from tests.api.seeding import Seed, planted


async def test_a_signature_is_accepted_listed_and_the_review_undone(redis_url: str, redis: Client) -> None:
    await planted(Seed(service="orders api"), pairs=90).write(redis)
    async with api_process(redis_url) as api:
        listed = await command("get", "signatures", "orders api", "--api", api, "-o", "json")
        signature = next(each["id"] for each in json.loads(listed.out) if each["field"] == "$.total")
        accept = ("review", "accept", "orders api", signature, "--api", api, "--by", "Ada", "--note")
        made = await command(*accept, "agreed")
        assert made.code == 0, made.err
        assert made.out.startswith("- expected:")
        rows = json.loads((await command("review", "list", "orders api", "--api", api, "-o", "json")).out)
        assert [(each["by"], each["note"], each["action"]) for each in rows] == [("Ada", "agreed", "expect")]
        again = await command(*accept, "agreed")
        assert (again.code, "undo it first" in again.err) == (3, True)
        nameless = await command(*accept, " ")
        assert (nameless.code, "say why" in nameless.err) == (3, True)
        review = rows[0]["name"].rpartition("/")[2]
        table = await command("review", "list", "orders api", "--api", api)
        assert table.out.splitlines()[1].startswith(f"{review}  expect  GET /orders/{{id}}  $.total  v2")
        undone = await command("review", "undo", "orders api", review, "--api", api)
        assert (undone.code, undone.err) == (0, "")
        gone = await command("review", "undo", "orders api", review, "--api", api)
        assert gone.code == 3
