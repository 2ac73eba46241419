"""Request bodies that hold records: one object, a list, or NDJSON.

One record is parsed at a time. A whole body as JSON values takes thirty times its bytes, and the
parser lets no other thread run meanwhile.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.content.request_body import BadBody
from recommender.records.events import MAX_RECORD_BYTES
from recommender.records.record_fields import InvalidRecord

MAX_CALL_BYTES = 32 * 1024 * 1024
# events of usual length take some 15 MB; 32 MiB could hold 16 million worthless records
MAX_CALL_RECORDS = 100_000
# decoded at a time; a record that is longer is refused together with its call
WINDOW_CHARS = 4 * MAX_RECORD_BYTES
# a hundred events with ids, times and ratings; the event loop parses them in half a millisecond
MAX_PLAIN_BYTES = 20 * 1024
NDJSON = "application/x-ndjson"
_SHOWN_CHARS = 200  # of a record in a message
_EXPECTED = f"expected a JSON object, a list of them, or NDJSON as content type {NDJSON}"
_LINE = re.compile(rb"\S[^\n]*")  # skips blank lines in C, however many there are
_SPACE = re.compile(r"[ \t\n\r]*")
_scan = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """One record of a body: its JSON value and its original text."""

    value: object
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """One record of a body that is not JSON or is too large; `raw` is its beginning."""

    raw: str
    found: str
    expected: str = "a JSON object"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One record of a body that is read and can't be a record of ours, and why."""

    raw: str
    why: InvalidRecord


Raw = Readable | Unreadable


def raw_records(body: bytes | bytearray, content_type: str) -> Iterator[Raw]:
    """Yield the records of a body; raise BadBody when it can't be read as a whole.

    BadBody may come after some records.
    """
    num_records = 0
    for record in _lines(body) if is_ndjson(content_type) else _values(_TextWindow(body)):
        num_records += 1
        _check_number(num_records)
        yield record
    if num_records == 0:
        raise BadBody("the body is empty; expected a JSON object, a list of them, or NDJSON")


def is_plain(body: bytes | bytearray, content_type: str) -> bool:
    """Return whether a body is small JSON, which the event loop parses at once."""
    return len(body) <= MAX_PLAIN_BYTES and not is_ndjson(content_type)


def plain_values(body: bytes | bytearray) -> Sequence[object] | None:
    """Return the JSON values of a small body; None where `raw_records` must look.

    It takes a fifth of the time, and would let no other thread run with a large body.
    """
    try:
        found: object = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    values = found if isinstance(found, list) else [found]
    return values or None


def is_ndjson(content_type: str) -> bool:
    """Return whether a body of this content type has one JSON value on each line."""
    return content_type.partition(";")[0].strip().lower() == NDJSON


def raw_lines(body: bytes | bytearray) -> Iterator[Raw]:
    """Return the records of NDJSON; raise BadBody before the first when there are too many."""
    num_lines = sum(1 for _ in _LINE.finditer(body))
    if num_lines == 0:
        raise BadBody("the body is empty; expected a JSON object on each line")
    _check_number(num_lines)
    return _lines(body)


def parse_object(body: bytes | bytearray) -> dict[str, object]:
    """Return the one JSON object of a body; raise BadBody."""
    record = _parse(body)
    if isinstance(record, Unreadable):
        raise BadBody(f"the body is {record.found}; expected a JSON object")
    if not isinstance(record.value, dict):
        raise BadBody(f"the body is a JSON {type(record.value).__name__}; expected an object")
    return record.value


def _check_number(num_records: int) -> None:
    if num_records > MAX_CALL_RECORDS:
        raise BadBody(
            f"the body holds more than {MAX_CALL_RECORDS:,} records; send less in one call",
            status=413,
        )


class _TextWindow:
    """The text of a body, decoded part by part. `at` is the next character's place in `text`."""

    def __init__(self, body: bytes | bytearray) -> None:
        self._body = memoryview(body)
        self._next_byte = 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text = ""
        self.at = 0
        self.is_whole = False  # the rest of the body is in `text`

    def fill(self) -> None:
        """Decode until WINDOW_CHARS characters follow `at`, or all that are left."""
        while not self.is_whole and len(self.text) - self.at < WINDOW_CHARS:
            piece = self._body[self._next_byte : self._next_byte + WINDOW_CHARS]
            self._next_byte += len(piece)
            self.is_whole = self._next_byte == len(self._body)
            try:
                text = self._decoder.decode(piece, final=self.is_whole)
            except UnicodeDecodeError as error:
                raise BadBody(
                    f"the body is not JSON in UTF-8 ({error.reason}); {_EXPECTED}"
                ) from error
            self.text, self.at = self.text[self.at :] + text, 0

    def next_character(self) -> str:
        """Return the next character that is not a space, without taking it; "" at the end."""
        while True:
            self.fill()
            space = _SPACE.match(self.text, self.at)
            assert space is not None
            self.at = space.end()
            if self.at < len(self.text):
                return self.text[self.at]
            if self.is_whole:
                return ""

    def take_value(self) -> Raw:
        """Take the next JSON value; raise BadBody."""
        self.next_character()
        start = self.at
        try:
            value, self.at = _scan(self.text, start)
        except RecursionError as error:
            raise BadBody(f"the body is JSON nested too deeply; {_EXPECTED}") from error
        except ValueError as error:  # not JSON, or a number of thousands of digits
            if not self.is_whole and _is_cut(error, len(self.text)):
                raise _too_large_call() from error
            raise BadBody(f"the body is not JSON ({error}); {_EXPECTED}") from error
        if self.at == len(self.text) and not self.is_whole:
            raise _too_large_call()
        raw = self.text[start : self.at]
        size_bytes = len(raw) if raw.isascii() else len(raw.encode(errors="surrogatepass"))
        if size_bytes > MAX_RECORD_BYTES:
            return _too_large_record(raw[:_SHOWN_CHARS], size_bytes)
        return Readable(value=value, raw=raw)


def _values(window: _TextWindow) -> Iterator[Raw]:
    """Yield the elements of a list, or the one value that is not a list."""
    if not window.next_character():
        return
    if window.next_character() != "[":
        yield window.take_value()
    else:
        window.at += 1
        if window.next_character() == "]":
            raise BadBody("the list is empty; expected at least one record")
        yield window.take_value()
        while window.next_character() == ",":
            window.at += 1
            yield window.take_value()
        if window.next_character() != "]":
            raise BadBody(
                f"the body is not JSON (found {window.next_character()!a} between two elements of "
                f"the list); {_EXPECTED}"
            )
        window.at += 1
    if rest := window.next_character():
        raise BadBody(f"the body is not JSON (found {rest!a} after its end); {_EXPECTED}")


def _is_cut(error: ValueError, length: int) -> bool:
    """Return whether JSON may be invalid only because the window ends in it."""
    is_in_text = isinstance(error, json.JSONDecodeError) and "Unterminated" in error.msg
    return is_in_text or (isinstance(error, json.JSONDecodeError) and error.pos > length - 16)


def _too_large_call() -> BadBody:
    return BadBody(
        f"a record of the body holds more than {WINDOW_CHARS // 1024} KiB, expected at most "
        f"{MAX_RECORD_BYTES // 1024} KiB in each record",
        status=413,
    )


def _lines(body: bytes | bytearray) -> Iterator[Raw]:
    for found in _LINE.finditer(body):
        start, end = found.span()
        if end - start > MAX_RECORD_BYTES:
            shown = bytes(body[start : start + _SHOWN_CHARS]).decode(errors="replace")
            yield _too_large_record(shown, end - start)
        else:
            yield _parse(found[0].rstrip())


def _too_large_record(shown: str, size_bytes: int) -> Unreadable:
    return Unreadable(
        raw=shown,
        found=f"{size_bytes:,} bytes",
        expected=f"at most {MAX_RECORD_BYTES // 1024} KiB in each record",
    )


def _parse(text: bytes | bytearray) -> Raw:
    try:
        value: object = json.loads(text)
    except RecursionError:
        found = "JSON nested too deeply"
    except ValueError as error:  # not JSON, not UTF-8, or a number of thousands of digits
        found = f"not JSON ({error})"
    else:
        return Readable(value=value, raw=text.decode("utf-8", "replace"))
    return Unreadable(raw=text[:_SHOWN_CHARS].decode(errors="replace"), found=found)
