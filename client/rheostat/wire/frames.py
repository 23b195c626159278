"""Messages as frames and back: a header in MessagePack, arrays as they are, everything checked before it is used."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from rheostat.wire.base import (
    DTYPES,
    MAX_ARRAY_BYTES,
    MAX_ARRAYS,
    MAX_DIMENSIONS,
    MAX_HEADER_BYTES,
    VERSION,
    Arrays,
    WireError,
)
from rheostat.wire.replies import Event, Reply
from rheostat.wire.requests import Request


class ArrayHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: bytes


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`number` repeats in the reply; `body` is one of Request or Reply, decoded by the receiver."""

    version: int
    number: int
    body: msgspec.Raw
    arrays: tuple[ArrayHeader, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode_header = msgspec.msgpack.Decoder(Header)
_decode_request = msgspec.msgpack.Decoder(Request)
_decode_reply = msgspec.msgpack.Decoder(Reply)
_decode_event = msgspec.msgpack.Decoder(Event)


def pack(body: msgspec.Struct, number: int = 0, arrays: Arrays | None = None) -> list[bytes | memoryview]:
    """The frames of one message. Arrays must have a dtype of DTYPES; they are sent C-contiguous, without a copy."""
    described = []
    frames: list[bytes | memoryview] = [b""]
    for name, array in (arrays or {}).items():
        flat = np.ascontiguousarray(array)
        if flat.dtype.str not in DTYPES:
            raise WireError(f"array {name!r}: dtype {flat.dtype.str} cannot travel")
        raw = flat.reshape(-1).view(np.uint8).data.cast("B")
        described.append(ArrayHeader(name, flat.dtype.str, array.shape, hashlib.sha256(raw).digest()))
        frames.append(raw)
    frames[0] = _encode(Header(VERSION, number, msgspec.Raw(_encode(body)), tuple(described)))
    return frames


def unpack_header(raw: bytes | memoryview) -> Header:
    """The header frame, checked for size, form and version."""
    header: Header = _decode(_decode_header, raw)
    if header.version != VERSION:
        raise WireError(f"protocol version {header.version}, this side speaks {VERSION}")
    return header


def unpack_request(header: Header) -> Request:
    """The body as a Request. Raises WireError naming the field."""
    request: Request = _decode(_decode_request, header.body)
    return request


def unpack_reply(header: Header) -> Reply:
    """The body as a Reply. Raises WireError naming the field."""
    reply: Reply = _decode(_decode_reply, header.body)
    return reply


def pack_event(event: Event) -> bytes:
    return _encode(event)


def unpack_event(raw: bytes | memoryview) -> Event:
    event: Event = _decode(_decode_event, raw)
    return event


def unpack_arrays(header: Header, frames: Sequence[Any]) -> Arrays:
    """The arrays that came with a header: count, size and hash are checked before anything is used. Read-only."""
    if len(frames) != len(header.arrays) or len(frames) > MAX_ARRAYS:
        raise WireError(f"{len(header.arrays)} arrays announced, {len(frames)} frames came (at most {MAX_ARRAYS})")
    arrays: Arrays = {}
    for described, frame in zip(header.arrays, frames, strict=True):
        raw = memoryview(frame).cast("B")
        extent = math.prod(max(n, 1) for n in described.shape)  # numpy refuses what overflows, even when it is empty
        if described.dtype not in DTYPES or min(described.shape, default=0) < 0 or extent > MAX_ARRAY_BYTES:
            raise WireError(f"array {described.name!r}: dtype {described.dtype!r} or shape not allowed")
        if len(described.shape) > MAX_DIMENSIONS:
            raise WireError(f"array {described.name!r}: {len(described.shape)} dimensions, at most {MAX_DIMENSIONS}")
        size = math.prod(described.shape) * np.dtype(described.dtype).itemsize
        if size != len(raw) or size > MAX_ARRAY_BYTES:
            raise WireError(f"array {described.name!r}: {len(raw)} bytes came, {size} announced")
        if hashlib.sha256(raw).digest() != described.sha256:
            raise WireError(f"array {described.name!r}: its content does not match its hash")
        array = np.frombuffer(raw, dtype=described.dtype).reshape(described.shape)
        array.flags.writeable = False
        arrays[described.name] = array
    return arrays


def _decode(decoder: Any, raw: Any) -> Any:
    if len(memoryview(raw)) > MAX_HEADER_BYTES:
        raise WireError(f"header of {len(memoryview(raw))} bytes, at most {MAX_HEADER_BYTES}")
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # the latter for keys of maps
        raise WireError(str(error)) from error
