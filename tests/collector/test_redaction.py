"""Credentials never leave; what is left of them can still be compared."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.redaction import ALWAYS, Redaction

SECRET = b"s3cr3t-v4lue"


@pytest.mark.parametrize("name", sorted(ALWAYS - {"set-cookie"}))
@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_a_credential_keeps_its_name_and_loses_its_value(name: str, spelling: object) -> None:
    assert callable(spelling)
    written = spelling(name).encode()
    block = b"a: 1\r\n" + written + b": Bearer " + SECRET + b"\r\nz: 2"
    assert Redaction().headers(block) == b"a: 1\r\n" + written + b": <redacted>\r\nz: 2"


def test_a_cookie_keeps_name_and_attributes() -> None:
    block = b"set-cookie: sid=" + SECRET + b"; Path=/; HttpOnly\r\nset-cookie: bare=" + SECRET
    assert Redaction().headers(block) == (
        b"set-cookie: sid=<redacted>; Path=/; HttpOnly\r\nset-cookie: bare=<redacted>"
    )


def test_configured_headers_are_redacted_too() -> None:
    assert Redaction(["X-Customer"]).headers(b"x-customer: " + SECRET) == b"x-customer: <redacted>"


def test_a_name_that_only_begins_alike_is_left_alone() -> None:
    block = b"x-api-key-id: 7\r\ncookie-policy: strict"
    assert Redaction().headers(block) is block


@pytest.mark.parametrize("name", ["", "two words", "colon:", "new\nline"])
def test_what_cannot_be_a_header_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a header"):
        Redaction([name])


@given(st.lists(st.sampled_from([*sorted(ALWAYS), "content-type", "x-other"]), max_size=8))
def test_no_secret_survives_anywhere(names: list[str]) -> None:
    block = b"\r\n".join(name.encode() + b": k=" + SECRET + b"; Path=/" for name in names)
    kept = Redaction().headers(block)
    for line, name in zip(kept.split(b"\r\n"), names, strict=False):
        assert line.startswith(name.encode())
        assert (SECRET in line) == (name not in ALWAYS)
