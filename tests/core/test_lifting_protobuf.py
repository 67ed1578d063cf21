"""gRPC messages, with and without a schema; protobuf's own implementation is the oracle."""

from __future__ import annotations

import math
import struct

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from differ.core.compare import Where, compare
from differ.core.lifting.protobuf import MAX_DEPTH, SchemaError, Schemas
from differ.core.lifting.wire import fields, varint
from differ.core.model import Headers, Outcome, Response, Result
from differ.core.rules import NO_RULES

GRPC: Headers = (("content-type", "application/grpc"),)
WHERE = Where("shop", "POST /shop.Orders/Get")

SCALARS = {
    "f_double": Field.TYPE_DOUBLE, "f_float": Field.TYPE_FLOAT, "f_int32": Field.TYPE_INT32,
    "f_int64": Field.TYPE_INT64, "f_uint32": Field.TYPE_UINT32, "f_uint64": Field.TYPE_UINT64,
    "f_sint32": Field.TYPE_SINT32, "f_sint64": Field.TYPE_SINT64, "f_fixed32": Field.TYPE_FIXED32,
    "f_fixed64": Field.TYPE_FIXED64, "f_sfixed32": Field.TYPE_SFIXED32, "f_sfixed64": Field.TYPE_SFIXED64,
    "f_bool": Field.TYPE_BOOL, "f_string": Field.TYPE_STRING, "f_bytes": Field.TYPE_BYTES,
}  # fmt: skip


def described() -> descriptor_pb2.FileDescriptorProto:
    """A file with a message of every type of field, and a service that answers with it."""
    file = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3")
    colour = file.enum_type.add(name="Colour")
    colour.value.add(name="NONE", number=0)
    colour.value.add(name="BLUE", number=1)
    order = file.message_type.add(name="Order")
    one, many = Field.LABEL_OPTIONAL, Field.LABEL_REPEATED
    for number, (name, kind) in enumerate(SCALARS.items(), start=1):
        order.field.add(name=name, number=number, type=kind, label=one)
        order.field.add(name=f"{name}s", number=number + 20, type=kind, label=many)
    message = Field.TYPE_MESSAGE
    order.field.add(name="colour", number=40, type=Field.TYPE_ENUM, type_name=".shop.Colour", label=one)
    order.field.add(name="inner", number=41, type=message, type_name=".shop.Order", label=one)
    order.field.add(name="inners", number=42, type=message, type_name=".shop.Order", label=many)
    maybe = order.field.add(name="maybe", number=43, type=Field.TYPE_INT32, label=one)
    maybe.proto3_optional = True
    maybe.oneof_index = 0
    order.oneof_decl.add(name="_maybe")
    entry = order.nested_type.add(name="CountsEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=Field.TYPE_STRING, label=one)
    entry.field.add(name="value", number=2, type=Field.TYPE_INT32, label=one)
    order.field.add(name="counts", number=44, type=message, type_name=".shop.Order.CountsEntry", label=many)
    service = file.service.add(name="Orders")
    service.method.add(name="Get", input_type=".shop.Order", output_type=".shop.Order")
    return file


FILE = described()
SCHEMAS = Schemas(descriptor_pb2.FileDescriptorSet(file=[FILE]).SerializeToString())
_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(FILE)
Order = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("shop.Order"))

contents = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "f_double": st.floats(allow_nan=False) | st.sampled_from([0.0, 0.1, 1e300]),
            "f_float": st.floats(width=32, allow_nan=False),
            "f_int32": st.integers(-(2**31), 2**31 - 1),
            "f_int64": st.integers(-(2**63), 2**63 - 1),
            "f_uint64": st.integers(0, 2**64 - 1),
            "f_sint64": st.integers(-(2**63), 2**63 - 1),
            "f_sfixed32": st.integers(-(2**31), 2**31 - 1),
            "f_fixed64": st.integers(0, 2**64 - 1),
            "f_bool": st.booleans(),
            "f_string": st.text(max_size=5),
            "f_bytes": st.binary(max_size=5),
            "f_int32s": st.lists(st.integers(-2, 2), max_size=4),
            "f_doubles": st.lists(st.sampled_from([0.0, 0.5, 1e10]), max_size=3),
            "f_strings": st.lists(st.text(max_size=3), max_size=3),
            "colour": st.integers(0, 3),
            "maybe": st.integers(0, 1),
            "counts": st.dictionaries(st.text(max_size=2), st.integers(0, 2), max_size=3),
        },
    ),
    lambda inner: st.fixed_dictionaries({}, optional={"inner": inner, "inners": st.lists(inner, max_size=2)}),
    max_leaves=4,
)


def frame(message: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(message)) + message


def judged(one: bytes, two: bytes, schemas: Schemas | None = SCHEMAS) -> Outcome:
    return compare(Response(200, GRPC, frame(one)), Response(200, GRPC, frame(two)), NO_RULES, WHERE, schemas)


def places(outcome: Outcome) -> list[tuple[str, str]]:
    return [(str(finding.difference.path), str(finding.difference.kind)) for finding in outcome.findings]


def like(message: Message) -> Message:
    """The message without minus zeros, which as decimals are zero."""
    copy: Message = Order()
    copy.CopyFrom(message)
    for field, value in copy.ListFields():
        if isinstance(value, float) and value == 0:
            copy.ClearField(field.name)
    return copy


@given(contents, contents)
def test_with_a_schema_same_is_what_protobuf_calls_equal(
    one: dict[str, object], two: dict[str, object]
) -> None:
    left, right = Order(**one), Order(**two)
    outcome = judged(left.SerializeToString(), right.SerializeToString())
    if outcome.result is Result.SAME:
        assert like(left) == like(right) or "-0.0" in f"{one}{two}"
    else:
        assert left != right


@given(contents)
def test_a_message_is_the_same_however_it_is_written(content: dict[str, object]) -> None:
    message = Order(**content)
    whole = message.SerializeToString()
    parts = [Order(**{name: value}).SerializeToString() for name, value in reversed(content.items())]
    assert judged(whole, b"".join(parts)).result is Result.SAME


def test_differences_are_named_by_the_schema() -> None:
    left = Order(
        f_string="a", f_int64=-1, inner={"f_bool": True}, colour=1, counts={"x": 1}, f_int32s=[1, 2, 3]
    )
    right = Order(f_string="b", inner={"f_bool": False}, colour=0, counts={"x": 2}, f_int32s=[1, 3], maybe=0)
    assert places(judged(left.SerializeToString(), right.SerializeToString())) == [
        ("$[0].colour", "missing"),
        ("$[0].counts.x", "value"),
        ("$[0].f_int32s[1]", "missing"),
        ("$[0].f_int64", "missing"),
        ("$[0].f_string", "value"),
        ("$[0].inner.f_bool", "missing"),
        ("$[0].maybe", "extra"),
    ]


def test_a_field_that_the_schema_does_not_know_is_compared_too() -> None:
    assert places(judged(b"", b"\xf8\x07\x01")) == [("$[0]['127']", "extra")]


def test_a_field_of_another_wire_type_is_compared_by_number() -> None:
    assert places(judged(Order(f_int32=1).SerializeToString(), b"\x1d\x01\x00\x00\x00")) == [
        ("$[0]['3']", "extra"),
        ("$[0].f_int32", "missing"),
    ]


def test_numbers_that_are_none() -> None:
    nan, inf = (Order(f_double=value).SerializeToString() for value in (math.nan, math.inf))
    assert judged(nan, nan + b"").result is Result.SAME
    assert places(judged(nan, inf)) == [("$[0].f_double", "value")]


def test_packed_and_unpacked_are_the_same() -> None:
    unpacked = b"".join(b"\xb8\x01" + bytes([n]) for n in (1, 2, 3))
    assert fields(unpacked) == [(23, 0, 1), (23, 0, 2), (23, 0, 3)]
    assert judged(unpacked, Order(f_int32s=[1, 2, 3]).SerializeToString()).result is Result.SAME


def test_a_packed_field_that_is_cut_is_compared() -> None:
    assert judged(b"\xba\x01\x02\x01\xff", b"\xba\x01\x02\x01\xfe").result is Result.DIFFERENT
    assert judged(b"\xaa\x01\x03abc", b"\xaa\x01\x03abd").result is Result.DIFFERENT


def test_what_is_no_message_is_bytes() -> None:
    assert places(judged(b"\xff", b"\x08\x01")) == [("$[0]", "type")]
    assert places(judged(b"\xff", b"\xfe")) == [("$[0]", "value")]


@pytest.mark.parametrize("schemas", [SCHEMAS, None])
def test_messages_nested_beyond_the_bound(schemas: Schemas | None) -> None:
    def nested(leaf: int) -> bytes:
        message = Order(f_int32=leaf).SerializeToString()
        for _ in range(MAX_DEPTH + 20):
            message = b"\xca\x02" + varint_of(len(message)) + message
        return message

    outcome = judged(nested(1), nested(2), schemas)
    assert outcome.result is not Result.SAME
    assert (outcome.result is Result.SKIPPED) is (schemas is not None)


def varint_of(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@given(st.integers(0, 2**64 - 1))
def test_varints(number: int) -> None:
    assert varint(varint_of(number) + b"x", 0) == (number, len(varint_of(number)))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9 + b"\x02", b"\xff" * 10 + b"\x01"])
def test_what_is_no_varint_of_64_bits(data: bytes) -> None:
    assert varint(data, 0) == (0, -1) or varint(data, 0)[1] == -1


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_have_an_outcome(one: bytes, two: bytes) -> None:
    for schemas in (SCHEMAS, None):
        assert (judged(one, two, schemas).result is Result.SAME) or one != two


def test_a_method_that_the_schema_does_not_know_is_compared_by_number() -> None:
    assert SCHEMAS.response_type("POST /shop.Orders/Put") is None
    assert SCHEMAS.response_type("GET /") is None
    assert SCHEMAS.response_type("") is None
    found = SCHEMAS.response_type("POST /shop.Orders/Get")
    assert found is not None
    assert found.full_name == "shop.Order"


@pytest.mark.parametrize("order", [1, -1])
def test_files_of_a_set_come_in_any_order(order: int) -> None:
    other = descriptor_pb2.FileDescriptorProto(name="other.proto", package="shop", dependency=["shop.proto"])
    files = [FILE, other][::order]
    found = Schemas(descriptor_pb2.FileDescriptorSet(file=files).SerializeToString())
    assert found.response_type("POST /shop.Orders/Get") is not None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xff", "not a protobuf descriptor set"),
        (
            descriptor_pb2.FileDescriptorSet(
                file=[descriptor_pb2.FileDescriptorProto(name="a.proto", dependency=["b.proto"])]
            ).SerializeToString(),
            "lacks b.proto",
        ),
    ],
)
def test_a_set_that_cannot_be_used_is_told(data: bytes, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        Schemas(data)
