"""Mutating bytes: small faults, pieces of other inputs, and the shapes that parsers stumble over."""

from __future__ import annotations

import random
from collections.abc import Sequence

NASTY = (
    b"",
    b"\x00",
    b"\xff",
    b"\xc3(",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\\ud800",
    b"\\u0000",
    b"\\u0022",
    b"NaN",
    b"-Infinity",
    b"1e999999999",
    b"1e-400",
    b"-0.0",
    b"9007199254740993",
    b"true",
    b"false",
    b"null",
    b"{}",
    b"[]",
    b'""',
    b'"a":1,"a":2',
    b"[[[[[[[[",
    b"[" * 150,
    b"\r\n",
    b"\n\n",
    b"data: ",
    b": x\n",
    b"event: e\n",
    b"&",
    b"=",
    b"%",
    b"%zz",
    b"%00",
    b"+",
    b"<a>",
    b"</a>",
    b"<a/>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<!DOCTYPE a [<!ENTITY x 'y'>]>",
    b"&x;",
    b"&#0;",
    b"&#x10ffff;",
    b"<?xml version='1.0' encoding='utf-16'?>",
    b"xmlns:a='b'",
    b"<script>",
    b"<table><td>",
    b"<svg>",
    b"\x00\x00\x00\x00\x02",
    b"\x01\x00\x00\x00\x02",
    b"\x80\x00\x00\x00\x05",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\n\x02\x08\x01",
    b"\x0b",
    b"1" * 400,
    b"1" * 5000,
    b"\x1f\x8b\x08",
    b"(\xb5/\xfd",
    b"0." + b"1" * 40,
    b'{"a":' * 40,
)


def mutated(seed: bytes, others: Sequence[bytes], draw: random.Random) -> bytes:
    """``seed`` with one to eight mutations."""
    data = bytearray(seed)
    for _ in range(draw.randint(1, 8)):
        at = draw.randint(0, len(data))
        match draw.randrange(8):
            case 0 if data:
                data[at % len(data)] = draw.randrange(256)
            case 1 if data:
                data[at % len(data)] ^= 1 << draw.randrange(8)
            case 2:
                data[at:at] = draw.choice(NASTY)
            case 3:
                del data[at : at + draw.randint(1, 8)]
            case 4:
                other = draw.choice(others)
                start = draw.randint(0, len(other))
                data[at:at] = other[start : start + draw.randint(1, 40)]
            case 5:
                data[at:at] = data[at : at + draw.randint(1, 30)] * draw.randint(1, 4)
            case 6:
                del data[at:]
            case _:
                data[at : at + 1] = bytes(draw.randrange(256) for _ in range(draw.randint(0, 3)))
    return bytes(data[:20_000])
