"""Endpoints: templates given and recognised, and their bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from differ.core.endpoints import OTHER, TemplateError, Templates, parse_templates


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/", "GET /"),
        ("", "GET /"),
        ("/orders/8812?full=1", "GET /orders/{id}"),
        ("/orders/8812#part", "GET /orders/{id}"),
        ("/orders/550e8400-e29b-41d4-a716-446655440000/items", "GET /orders/{id}/items"),
        ("/blobs/9f86d081884c7d659a2feaa0c55ad015", "GET /blobs/{id}"),
        ("/users/507f1f77bcf86cd799439011", "GET /users/{id}"),
        ("/events/01ARZ3NDEKTSV4RRFFQ69G5FAV", "GET /events/{id}"),
        ("/cart/cus_9s6XKzkNRiz8i3", "GET /cart/{id}"),
        ("/invoices/INV-2024-001", "GET /invoices/{id}"),
        ("/days/2026-11-23", "GET /days/{date}"),
        ("/since/2026-11-23T10:00:00Z", "GET /since/{date}"),
        ("/users/ann@example.org", "GET /users/{email}"),
        ("/users/ann%40example.org/cart", "GET /users/{email}/cart"),
        ("/pictures/8812.png", "GET /pictures/{id}.png"),
        ("/search/red%20shoes", "GET /search/{id}"),
        ("/search/schön", "GET /search/{id}"),
        ("/geo/52.5,13.4", "GET /geo/{id}"),
        ("http://shop.example/orders/1", "GET /orders/{id}"),
        # Words stay words, with their versions.
        ("/api/v1/oauth2/facade", "GET /api/v1/oauth2/facade"),
        ("/orders.v1.OrderService/GetOrder", "GET /orders.v1.OrderService/GetOrder"),
        ("/assets/app.js", "GET /assets/app.js"),
        ("/.well-known/openid-configuration", "GET /.well-known/openid-configuration"),
        ("/user-preferences-and-settings", "GET /user-preferences-and-settings"),
        ("/orders/", "GET /orders/"),
    ],
)
def test_segments_are_recognised_by_shape(path: str, endpoint: str) -> None:
    assert Templates().endpoint_of("GET", path) == endpoint


@given(st.text(max_size=20), st.text(max_size=200))
def test_every_request_has_an_endpoint_fit_for_a_name(method: str, path: str) -> None:
    endpoint = Templates().endpoint_of(method, path)
    assert endpoint.isprintable()
    assert len(endpoint) < 17 * 65 + 10


@given(st.lists(st.from_regex(r"/[a-z]{1,4}", fullmatch=True), max_size=30))
def test_the_number_of_recognised_endpoints_is_bounded(paths: list[str]) -> None:
    templates = Templates(limit=5)
    seen = {templates.endpoint_of("GET", path) for path in paths}
    assert len(seen - {OTHER}) <= 5
    assert set(templates.endpoints) == seen - {OTHER}


def test_what_another_process_kept_is_kept_here() -> None:
    first = Templates(limit=1)
    first.endpoint_of("GET", "/a")
    second = Templates(known=first.endpoints, limit=1)
    assert [second.endpoint_of("GET", path) for path in ("/b", "/a")] == [OTHER, "GET /a"]


def test_an_odd_method_is_other() -> None:
    assert Templates().endpoint_of("GE\tT", "/") == OTHER
    assert Templates().endpoint_of("get", "/") == "GET /"


def test_given_templates_win_and_the_more_literal_one_first() -> None:
    templates = Templates(
        ["/shops/{shop}/{page}", "GET /shops/{shop}/about", "/users/:name", "/f/{a}.{b}"], limit=0
    )
    assert templates.endpoint_of("GET", "/shops/blue/about") == "GET /shops/{shop}/about"
    assert templates.endpoint_of("PUT", "/shops/blue/about") == "PUT /shops/{shop}/{page}"
    assert templates.endpoint_of("GET", "/users/ann") == "GET /users/{name}"
    assert templates.endpoint_of("GET", "/f/x.tar.gz") == "GET /f/{a}.{b}"
    assert templates.endpoint_of("GET", "/elsewhere") == OTHER


def test_parameters_within_a_segment_match_in_linear_time() -> None:
    templates = Templates(["/f/{a}-{b}-{c}-{d}.json", "/g/{a}{b}", "/h/v{n}"], limit=0)
    assert templates.endpoint_of("GET", "/f/1-2-3-4.json") == "GET /f/{a}-{b}-{c}-{d}.json"
    assert templates.endpoint_of("GET", "/g/x") == "GET /g/{a}{b}"
    assert templates.endpoint_of("GET", "/h/v12") == "GET /h/v{n}"
    assert templates.endpoint_of("GET", "/h/12") == OTHER
    # With backtracking this would take longer than anyone waits.
    assert templates.endpoint_of("GET", "/f/" + "-" * 20_000) == OTHER


def test_templates_from_an_openapi_document() -> None:
    text = """
openapi: 3.1.0
servers: [{url: https://api.example/v3/}]
paths:
  /pets/{petId}:
    summary: one pet
    get: {}
    delete: {}
"""
    assert parse_templates(text) == ("GET /v3/pets/{petId}", "DELETE /v3/pets/{petId}")
    assert parse_templates('{"swagger": "2.0", "basePath": "/api", "paths": {"/a": {"get": {}}}}') == (
        "GET /api/a",
    )


def test_templates_from_a_list() -> None:
    assert parse_templates("- GET /orders/{id}\n- /users/{name}\n") == ("GET /orders/{id}", "/users/{name}")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[", ["line 1"]),
        ("a: 1", ["a list of templates"]),
        ("- 1\n- /a\n- {b: 2}", ["item 1", "item 3"]),
        ("- orders/{id}\n- FETCH /a\n- /a/{id", ["'orders/{id}'", "'FETCH /a'", "braces"]),
    ],
)
def test_templates_that_cannot_be_used_are_all_named(text: str, problems: list[str]) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_templates(text)
    assert len(caught.value.problems) == len(problems)
    for said, expected in zip(caught.value.problems, problems, strict=True):
        assert expected in said
