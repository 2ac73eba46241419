"""Request bodies that hold records: one object, a list, or NDJSON. Bytes become JSON values or a reason why not.

Knows JSON and sizes; does not know what a record is, nor what a call does with it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from recommender.events import MAX_RECORD_BYTES

MAX_CALL_BYTES = 32 * 1024 * 1024  # a greater call holds memory and a thread for seconds
MAX_CALL_RECORDS = 100_000  # of events of usual length some 15 MB; 32 MiB could hold 16 million worthless ones
NDJSON = "application/x-ndjson"


class BadBody(ValueError):
    """A body that holds no records at all: the sentence for the sender, and the status."""

    def __init__(self, sentence: str, *, status: int = 400) -> None:
        self.status = status
        super().__init__(sentence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """One record of a body that is no JSON or too large; `raw` is its beginning."""

    raw: str
    reason: str


def raw_records(body: bytes, content_type: str) -> Sequence[object | Unreadable]:
    """Return the JSON values of a body, one a record; raise BadBody when it can't be read as a whole."""
    if not body.strip():
        raise BadBody("the body is empty; expected a JSON object, a list of them, or NDJSON")
    if content_type.partition(";")[0].strip().lower() == NDJSON:
        return _lines(body)
    value = _parsed(body)
    if isinstance(value, Unreadable):
        raise BadBody(f"the body is {value.reason}; expected a JSON object, a list of them, or NDJSON as content type {NDJSON}")
    records: list[object] = value if isinstance(value, list) else [value]
    if not records:
        raise BadBody("the list is empty; expected at least one record")
    _check_number(len(records))
    # only a body over the limit of one record can hold a record over it, so small calls skip the measuring
    return records if len(body) <= MAX_RECORD_BYTES else [_measured(record) for record in records]


def parse_object(body: bytes) -> dict[str, object]:
    """Return the one JSON object of a body; raise BadBody."""
    value = _parsed(body)
    if isinstance(value, Unreadable):
        raise BadBody(f"the body is {value.reason}; expected a JSON object")
    if not isinstance(value, dict):
        raise BadBody(f"the body is a JSON {type(value).__name__}; expected an object")
    return value


async def read_body(request: Request, *, limit: int) -> bytes:
    """Read a body, and stop at the limit: neither a false length nor a missing one can fill the memory; raise BadBody."""
    announced = request.headers.get("content-length", "")
    size_bytes = int(announced) if announced.isascii() and announced.isdigit() else 0
    body = bytearray()
    if size_bytes <= limit:
        async for chunk in request.stream():
            body += chunk
            size_bytes = len(body)
            if size_bytes > limit:
                break
    if size_bytes > limit:
        raise BadBody(f"the body holds {size_bytes:,} bytes or more, the limit is {limit // 2**20} MiB; send less in one call", status=413)
    return bytes(body)


def _lines(body: bytes) -> list[object | Unreadable]:
    records: list[object | Unreadable] = []
    for line in io.BytesIO(body):  # one at a time, since a list of millions of lines takes gigabytes
        if line.strip():
            records.append(_line(line.rstrip(b"\r\n")))
            _check_number(len(records))
    return records


def _check_number(num_records: int) -> None:
    if num_records > MAX_CALL_RECORDS:
        raise BadBody(f"the body holds more than {MAX_CALL_RECORDS:,} records; send less in one call", status=413)


def _line(line: bytes) -> object | Unreadable:
    return _oversized(line) if len(line) > MAX_RECORD_BYTES else _parsed(line)


def _measured(record: object) -> object | Unreadable:
    written = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")
    return _oversized(written) if len(written) > MAX_RECORD_BYTES else record


def _oversized(written: bytes) -> Unreadable:
    reason = f"found {len(written):,} bytes, expected at most {MAX_RECORD_BYTES // 1024} KiB a record"
    return Unreadable(raw=written[:200].decode(errors="replace"), reason=reason)


def _parsed(text: bytes) -> object | Unreadable:
    try:
        value: object = json.loads(text)
    except RecursionError:
        return Unreadable(raw=text[:200].decode(errors="replace"), reason="nested too deeply")
    except ValueError as error:  # not JSON, not UTF-8, or a number of thousands of digits
        return Unreadable(raw=text[:200].decode(errors="replace"), reason=f"not JSON ({error})")
    return value
