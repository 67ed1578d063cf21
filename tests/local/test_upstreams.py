"""Service URLs: what each means, and what is said about those that mean nothing."""

from __future__ import annotations

import pytest

from differ.local.upstreams import Upstream, parse_upstream


@pytest.mark.parametrize(
    ("url", "upstream"),
    [
        ("http://localhost", Upstream("localhost", 80)),
        ("http://127.0.0.1:9001/", Upstream("127.0.0.1", 9001)),
        ("HTTP://Orders.Test:9001", Upstream("orders.test", 9001)),
        ("http://[::1]:9001/v1/", Upstream("::1", 9001, prefix="/v1")),
        ("http://orders/a%20b/c", Upstream("orders", 80, prefix="/a%20b/c")),
        ("https://orders.test", Upstream("orders.test", 443, tls=True)),
        ("https://orders.test:8443", Upstream("orders.test", 8443, tls=True)),
        ("h2c://orders:50051", Upstream("orders", 50051, http2=True)),
        ("grpc://orders:50051", Upstream("orders", 50051, http2=True)),
    ],
)
def test_a_url_says_where_and_how(url: str, upstream: Upstream) -> None:
    assert parse_upstream(url) == upstream


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "scheme"),
        ("localhost:9001", "scheme"),
        ("localhost", "scheme"),
        ("ftp://localhost", "scheme"),
        ("://localhost", "scheme"),
        ("http://", "host"),
        ("http://:9001", "host"),
        ("http://user@localhost", "user or password"),
        ("http://user:secret@localhost", "user or password"),
        ("http://@localhost", "user or password"),
        ("http://localhost/?a=1", "query"),
        ("http://localhost?", "query"),
        ("http://localhost/#top", "fragment"),
        ("http://localhost:0", "port 0"),
        ("http://localhost:65536", "port"),
        ("http://localhost:http", "port"),
        ("http://[::1", "not a URL"),
        ("http://-orders-", "name nor an IP"),
        ("http://a..b", "name nor an IP"),
        ("http://local host", "name nor an IP"),
        ("http://localhost/a b", "path"),
        ("http://localhost/ü", "path"),
    ],
)
def test_a_url_that_means_nothing_is_refused_for_what_is_wrong_with_it(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as caught:
        parse_upstream(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://127.0.0.1:9001", None),
        ("http://localhost:9001", None),
        ("http://v2.localhost:9001", None),
        ("http://10.0.0.7", None),
        ("http://orders.test", "orders.test"),
        ("http://orders.test:80", "orders.test"),
        ("http://orders.test:8080", "orders.test:8080"),
        ("h2c://orders.test:443", "orders.test:443"),
        ("https://orders.test", "orders.test"),
        ("https://orders.test:80", "orders.test:80"),
        ("https://localhost:8443", "localhost:8443"),
        ("https://[::1]", "[::1]"),
    ],
)
def test_a_service_that_is_found_by_name_sees_that_name(url: str, authority: str | None) -> None:
    assert parse_upstream(url).own_authority == authority
