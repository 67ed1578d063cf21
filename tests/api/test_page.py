"""The report page as HTML: what it says, whole without a script, and nothing captured leaves its text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from differ.core.rate import Rate
from differ.core.rules import parse_rules
from mirrordiff.process.redis import Client
from tests.api.conftest import Api
from tests.api.seeding import Seed, planted

ATTACK = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\"'><style>*{display:none}</style>"
MISLEADING = "\u202egnp.exe\u2066 \x1b[2J\x1b[31mred \u200bzero\u0000 \ud800"


class Page(HTMLParser):
    """A page read back: tags with attributes, and the text that a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.title = ""
        self._in: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"style", "title", "svg"}:
            self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._in and self._in[-1] == tag:
            self._in.pop()

    def handle_data(self, data: str) -> None:
        if self._in == ["title"]:
            self.title += data
        elif "style" not in self._in:
            self.text += data

    def links(self) -> list[str]:
        """All addresses linked to."""
        return [attrs["href"] or "" for tag, attrs in self.tags if tag == "a" and "href" in attrs]


async def page_of(api: Api, path: str = "/") -> Page:
    answer = await api.http.get(path, follow_redirects=True)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


async def test_the_front_page_goes_straight_to_the_only_service(api: Api, redis: Client) -> None:
    await planted(Seed(), pairs=360).write(redis)
    answer = await api.http.get("/", follow_redirects=True)
    assert answer.url.path == "/services/orders/sessions/v2"
    page = Page(answer.text)
    assert page.title == "FAIL · orders v1 → v2"
    assert "Block the release" in page.text
    assert "Worst: POST /orders/{id}/refund — status 200 became 500 in 3.3 % of 120 pairs" in page.text
    assert "division by zero" in page.text


async def test_several_services_are_listed(api: Api, redis: Client) -> None:
    for name in ("orders", "a service/with signs"):
        seed = Seed(service=name)
        seed.same(20)
        await seed.write(redis)
    page = await page_of(api)
    assert "a service/with signs" in page.text
    assert page.text.count("Not enough evidence") == 2
    for link in page.links():
        if link.startswith("/services"):
            await page_of(api, link)


async def test_nothing_captured_yet(api: Api) -> None:
    assert "Nothing has been captured yet" in (await page_of(api)).text


async def test_every_link_on_the_page_works(api: Api, redis: Client) -> None:
    await planted(Seed(), pairs=120).write(redis)
    page = await page_of(api)
    assert len(page.links()) > 10
    for link in page.links():
        target = link if link.startswith("/") else f"/services/orders/sessions/v2{link}"
        answer = await api.http.get(target.partition("#")[0], follow_redirects=True)
        assert answer.status_code == 200, link
    anchors = {attrs["id"] for _, attrs in page.tags if attrs.get("id")}
    assert {"endpoints", "example", "main"} <= anchors


async def test_the_address_says_what_is_shown(api: Api, redis: Client) -> None:
    await planted(Seed(), pairs=120).write(redis)
    page = await page_of(api, "/services/orders/sessions/v2?show=same")
    assert "GET /health" in page.text
    assert "GET /orders/{id}" not in page.text.partition("Endpoints")[2].partition("Not compared")[0]
    listed = await api.http.get(
        "/v1/services/orders/sessions/v2/signatures", params={"filter": 'kind = "type"'}
    )
    signature = listed.json()["signatures"][0]["id"]
    page = await page_of(api, f"/services/orders/sessions/v2?signature={signature}&example=2")
    assert re.search(r"example 2 of \d", page.text)
    assert "3.90" in page.text


async def test_the_trend_says_what_was_judged_and_since_when(api: Api, redis: Client) -> None:
    seed = planted(Seed(every_us=2_000_000), pairs=300)
    await seed.write(redis)
    page = await page_of(api)
    shapes = [attrs for tag, attrs in page.tags if tag == "rect" and attrs.get("class") == "different"]
    assert all(0 <= float(each["y"] or "") <= 100 for each in shapes)
    assert any(tag == "line" and attrs.get("class") == "limit" for tag, attrs in page.tags)
    said = re.search(
        r"(\S+ %) of (\S+) pairs differ beyond noise, first at (\S+), last at (\S+)\.", page.text
    )
    trend = (await api.http.get("/v1/services/orders/sessions/v2/trend")).json()
    assert said is not None
    assert said[1] == str(
        Rate(
            sum(point["different"] for point in trend["points"]),
            sum(point["compared"] for point in trend["points"]),
        )
    )
    table = page.text.partition("As a table")[2]
    for point in trend["points"]:
        assert point["startTime"][11:19] in table
    assert re.search(r"Differs first at [\d:]+, last at [\d:]+\.", page.text)


async def test_a_page_of_a_thousand_signatures_stays_short_and_leads_to_each(api: Api, redis: Client) -> None:
    seed = Seed()
    for endpoint in range(90):
        fields = {f"field_{number}": number for number in range(12)}
        changed = {name: value + 1 for name, value in fields.items()}
        seed.pair(fields, changed, endpoint=f"GET /things{endpoint:02}/{{id}}")
    await seed.write(redis)
    path = "/services/orders/sessions/v2"
    answer = await api.http.get(path)
    page = Page(answer.text)
    assert len(answer.content) < 400_000
    seen: set[str] = set()
    pages = [link for link in page.links() if "page=" in link]
    assert [re.search(r"page=(\d+)", link)[1] for link in pages] == ["2", "3"]  # type: ignore[index]
    for link in [path, *(path + link for link in pages)]:
        one = await page_of(api, link.partition("#")[0])
        routes = [attrs["id"] for tag, attrs in one.tags if tag == "details" and attrs.get("class") == "ep"]
        assert 0 < len(routes) <= 40
        seen |= {route or "" for route in routes}
    assert len(seen) == 90
    found = await page_of(api, f"{path}?find=THINGS77")
    assert sum(attrs.get("class") == "ep" for _, attrs in found.tags) == 1
    more = [link for link in found.links() if "endpoint=" in link][-1]
    alone = await page_of(api, path + more.partition("#")[0])
    assert all(f"$.field_{number}" in alone.text for number in range(12))
    assert "None with “nowhere” in its name." in (await page_of(api, f"{path}?find=nowhere")).text


async def test_a_change_can_be_accepted_with_the_rule_on_the_page(api: Api, redis: Client) -> None:
    await planted(Seed(), pairs=360).write(redis)
    page = await page_of(api)
    proposed = page.text.partition("accept status 200→500 of v2 alone:")[2].partition("Paste it below")[0]
    rules = parse_rules(f"rules:\n{proposed.strip()}")
    assert [rule.note for rule in rules.rules] == ["say here why, and who agreed"]


async def test_an_attack_is_shown_as_text(api: Api, redis: Client) -> None:
    seed = Seed(service=f"s{ATTACK}", candidate=ATTACK)
    for number in range(30):
        body = {"value": ATTACK, ATTACK: number, "text": MISLEADING[:-1]}
        seed.pair(
            body,
            {**body, "value": f"{ATTACK}!"},
            endpoint=f"GET /{ATTACK.replace(' ', '')}",
            path=f"/{ATTACK}?q={MISLEADING[:-1]}",
            headers=({"x-note": ATTACK}, {"x-note": "\x1b[31m" + ATTACK}),
        )
    await seed.write(redis)
    answer = await api.http.get("/", follow_redirects=True)
    page = Page(answer.text)
    scripts = [attrs for tag, attrs in page.tags if tag == "script"]
    assert scripts == [{"src": "/assets/report.js", "defer": None}]
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert len([tag for tag, _ in page.tags if tag == "style"]) == 1
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert ATTACK in page.text
    assert "⟨U+202E⟩gnp.exe" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", answer.text)


async def test_bodies_that_are_no_text_are_shown_as_bytes(api: Api, redis: Client) -> None:
    seed = Seed()
    for _ in range(20):
        seed.pair(b"\x00\xff\xfe binary", b"\x00\xff\xfd binary")
    await seed.write(redis)
    page = await page_of(api)
    assert "bytes that are no text" in page.text
    assert "00 ff fe 20" in page.text


async def test_the_traces_of_both_sides_are_a_click_away(api: Api, redis: Client) -> None:
    traces = ("0af7651916cd43dd8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319c")
    contexts = [f"00-{trace}-b7ad6b7169203331-01" for trace in traces]
    seed = Seed()
    seed.pair({"total": 1}, {"total": 2}, traceparents=(contexts[0], contexts[1]))
    await seed.write(redis)
    text = (await page_of(api)).text
    assert all(trace in text for trace in traces)
    api.service.trace_url = "https://traces.example/trace/{trace_id}?from=mirrordiff"
    page = await page_of(api)
    links = [link for link in page.links() if "traces.example" in link]
    assert links == [f"https://traces.example/trace/{trace}?from=mirrordiff" for trace in traces]
    (raw,) = [link for link in page.links() if "/v1/" in link]
    diff = (await api.http.get(raw)).json()
    assert (diff["primary"]["traceId"], diff["shadow"]["traceId"]) == traces


async def test_a_page_may_load_nothing_but_its_script(api: Api, redis: Client) -> None:
    seed = Seed()
    seed.same(20)
    await seed.write(redis)
    answer = await api.http.get("/", follow_redirects=True)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"\sstyle=|https?://(?!diff\.example)", answer.text)
    script = await api.http.get("/assets/report.js")
    assert script.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    [
        "/services/none",
        "/services/none/sessions/x",
        "/services/a%00b/sessions/x",
        "/services/<b>/sessions/latest",
    ],
)
async def test_pages_that_are_not_there(api: Api, path: str) -> None:
    answer = await api.http.get(path)
    assert answer.status_code == 404
    assert "No such service" in answer.text
    assert "<b>" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "example=0",
        "example=x",
        "page=0",
        "signature=%3Cb%3E",
        "endpoint=..",
        "find=" + "x" * 999,
        "show=" + "x" * 99,
    ],
)
async def test_addresses_that_cannot_be_used(api: Api, query: str) -> None:
    answer = await api.http.get(f"/services/orders/sessions/v2?{query}")
    assert answer.status_code == 400
