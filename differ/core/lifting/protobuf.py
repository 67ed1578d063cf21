"""Protobuf messages: by the names of a schema where there is one, else by field numbers.

Not by generated classes, so that a field the schema does not know is compared like any other.
"""

from __future__ import annotations

from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from differ.core.lifting.scalars import WIRE_TYPES, default_of, packed, scalar
from differ.core.lifting.wire import LENGTH, Field, fields
from differ.core.values import Chunk, Opaque, Value, printable

MAX_DEPTH: Final = 32
"""Nesting of messages that is read; protobuf's own parsers stop at 100, and no service known to us
comes near either. The walk needs seven Python frames for each level."""


class SchemaError(Exception):
    """A descriptor set cannot be used; the message says why."""


class Schemas:
    """The response types of gRPC methods, from a compiled descriptor set (``protoc --descriptor_set_out``).

    The set has to include its imports. Raises SchemaError where it is not one, or incomplete.
    """

    def __init__(self, descriptor_set: bytes) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        try:
            files = {
                file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file
            }
        except DecodeError:
            raise SchemaError("not a protobuf descriptor set") from None
        try:
            added: set[str] = set()
            for name in files:
                self._add(name, files, added)
        except (TypeError, ValueError, KeyError) as error:
            raise SchemaError(f"the descriptor set cannot be used: {error}") from None

    def _add(self, name: str, files: dict[str, descriptor_pb2.FileDescriptorProto], added: set[str]) -> None:
        if name in added:
            return
        if name not in files:
            raise SchemaError(f"the descriptor set lacks {name}: compile it with --include_imports")
        added.add(name)
        for dependency in files[name].dependency:
            self._add(dependency, files, added)
        self._pool.Add(files[name])

    def response_type(self, endpoint: str) -> Descriptor | None:
        """The message that ``POST /package.Service/Method`` answers with; None where it is not known."""
        service, _, method = endpoint.rpartition(" ")[2].removeprefix("/").partition("/")
        try:
            found = self._pool.FindServiceByName(service).FindMethodByName(method)
        except KeyError:
            return None
        return found.output_type


def by_number(found: list[Field]) -> dict[str, Value]:
    """A message without a schema: for each field number its values, in order."""
    members: dict[str, Value] = {}
    for number, wire, value in found:
        values = members.setdefault(str(number), [])
        if isinstance(values, list):
            values.append(_raw(wire, value))
    return members


def _raw(wire: int, value: int | bytes) -> Value:
    if isinstance(value, int):
        return value
    if wire == LENGTH:
        return Chunk(value)
    # Whether eight bytes are an integer or a double is not on the wire.
    return f"0x{int.from_bytes(value, 'little'):0{len(value) * 2}x}"


def joint(a: bytes, b: bytes) -> tuple[Value, Value]:
    """Two length-delimited fields without a schema, read in a way that both allow.

    As text where both are printable, as messages where both are messages, and as bytes otherwise.
    """
    text_a, text_b = printable(a), printable(b)
    if text_a is not None and text_b is not None:
        return text_a, text_b
    fields_a, fields_b = fields(a), fields(b)
    if fields_a is not None and fields_b is not None:
        return by_number(fields_a), by_number(fields_b)
    return Chunk(a), Chunk(b)


class TooDeepError(Exception):
    """Messages are nested beyond MAX_DEPTH."""


def by_name(data: bytes, message: Descriptor, depth: int = 1) -> dict[str, Value] | None:
    """A message by its schema; None where ``data`` is no message at all.

    A field with its default value is left out where the schema gives it no presence, since then it
    may or may not be on the wire. What the schema does not know is kept by number. Raises TooDeepError.
    """
    found = fields(data)
    if found is None:
        return None
    if depth > MAX_DEPTH:
        raise TooDeepError
    members: dict[str, Value] = {}
    unknown: list[Field] = []
    pieces: dict[str, tuple[Descriptor, list[bytes]]] = {}
    for number, wire, value in found:
        field = message.fields_by_number.get(number)
        if field is None:
            unknown.append((number, wire, value))
        elif (kind := field.message_type) is not None and isinstance(value, bytes) and wire == LENGTH:
            if field.is_repeated:
                _append(members, field, kind, _message(value, kind, depth))
            else:
                # Several pieces of one message are merged, which is what joining their bytes does.
                pieces.setdefault(field.name, (kind, []))[1].append(value)
        elif field.is_repeated and isinstance(value, bytes) and wire == LENGTH and field.type in WIRE_TYPES:
            _extend(members, field, packed(field, value))
        elif wire == WIRE_TYPES.get(field.type, LENGTH):
            _put(members, field, scalar(field, value))
        else:
            unknown.append((number, wire, value))
    for name, (kind, parts) in pieces.items():
        members[name] = _message(b"".join(parts), kind, depth)
    return members | by_number(unknown)


def _put(members: dict[str, Value], field: FieldDescriptor, value: Value) -> None:
    if field.is_repeated:
        _extend(members, field, [value])
    elif field.has_presence or value != default_of(field):
        members[field.name] = value
    else:
        members.pop(field.name, None)


def _extend(members: dict[str, Value], field: FieldDescriptor, more: list[Value]) -> None:
    values = members.setdefault(field.name, [])
    if isinstance(values, list):
        values.extend(more)


def _append(members: dict[str, Value], field: FieldDescriptor, kind: Descriptor, element: Value) -> None:
    if not kind.GetOptions().map_entry or not isinstance(element, dict):
        _extend(members, field, [element])
        return
    entries = members.setdefault(field.name, {})
    if isinstance(entries, dict):
        # A map's key or value that is the default may be left out on the wire.
        key, value = kind.fields_by_name["key"], kind.fields_by_name["value"]
        entries[str(element.get("key", default_of(key)))] = element.get("value", default_of(value))


def _message(data: bytes, kind: Descriptor, depth: int) -> Value:
    members = by_name(data, kind, depth + 1)
    return Opaque.of(data) if members is None else members
