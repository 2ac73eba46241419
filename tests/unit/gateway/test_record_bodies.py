"""Bodies divided into records: parsed one at a time, each within its limit."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.content.record_bodies import (
    MAX_CALL_BYTES,
    MAX_CALL_RECORDS,
    MAX_PLAIN_BYTES,
    NDJSON,
    WINDOW_CHARS,
    Raw,
    Readable,
    Unreadable,
    is_plain,
    plain_values,
    raw_records,
)
from gateway.content.request_body import BadBody
from recommender.records.events import MAX_RECORD_BYTES

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)


def values(body: bytes, content_type: str = "application/json") -> list[object]:
    found = list(raw_records(body, content_type))
    assert all(isinstance(one, Readable) for one in found)
    return [one.value for one in found if isinstance(one, Readable)]


def refusal_of(body: bytes, content_type: str = "application/json") -> BadBody:
    with pytest.raises(BadBody) as caught:
        list(raw_records(body, content_type))
    return caught.value


@given(
    records=st.lists(JSON, min_size=1, max_size=5),
    indent=st.none() | st.integers(0, 2),
    is_ascii=st.booleans(),
)
def test_a_list_is_its_elements_however_it_is_written(
    records: list[object], indent: int | None, is_ascii: bool
) -> None:
    body = json.dumps(records, indent=indent, ensure_ascii=is_ascii).encode()
    assert values(body) == records
    assert values(b" \r\n" + body + b"\n\t") == records
    assert values(b"\xef\xbb\xbf" + body) == records


@given(
    body=st.binary(max_size=60) | st.text(alphabet='[]{},:"\\ 0a\n', max_size=40).map(str.encode)
)
def test_exactly_valid_json_is_read(body: bytes) -> None:
    try:
        expected = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        assert refusal_of(body).status == 400
        return
    if expected == []:
        assert "empty" in str(refusal_of(body))
    else:
        assert values(body) == (expected if isinstance(expected, list) else [expected])


def test_a_body_of_many_windows_is_read_whole() -> None:
    records = [{"id": number, "text": "δοκιμή " * 300} for number in range(3_000)]
    assert values(json.dumps(records, ensure_ascii=False).encode()) == records


def test_only_the_record_over_its_limit_is_refused() -> None:
    large = {"text": "x" * MAX_RECORD_BYTES}
    first, second, third = raw_records(json.dumps([1, large, 2]).encode(), "application/json")
    assert isinstance(second, Unreadable)
    assert "256 KiB" in second.expected
    assert len(second.raw) < 1_000
    assert [one.value for one in (first, third) if isinstance(one, Readable)] == [1, 2]


@pytest.mark.parametrize(
    "large",
    [
        b'"' + b"x" * 3 * WINDOW_CHARS + b'"',
        b"[" + b"[]," * WINDOW_CHARS + b"[]]",
        b"1" * 3 * WINDOW_CHARS,
        b'{"a":' * 500 + b'"' + b"x" * 3 * WINDOW_CHARS + b'"' + b"}" * 500,
    ],
)
def test_a_record_far_over_its_limit_is_refused_with_its_call(large: bytes) -> None:
    assert refusal_of(b"[1," + large + b",2]").status in (400, 413)
    assert refusal_of(large).status in (400, 413)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * (MAX_CALL_BYTES // 3 - 1) + b"[]]",
        b"[" + b"0," * (MAX_CALL_BYTES // 2 - 2) + b"0]",
        b"[" + b"{}," * (MAX_CALL_BYTES // 3 - 1) + b"{}]",
        b'{"a":[' + b"[]," * (MAX_CALL_BYTES // 3 - 8) + b"[]]}",
        b"[" * MAX_CALL_BYTES,
        b'["' + b"\\u0000" * (MAX_CALL_BYTES // 6 - 1) + b'"]',
        b"\n" * MAX_CALL_BYTES,
        b" " * MAX_CALL_BYTES,
    ],
    ids=["lists", "zeros", "objects", "nested lists", "depth", "escapes", "line feeds", "spaces"],
)
def test_no_body_takes_twice_its_size_in_memory(body: bytes) -> None:
    """Parsed as a whole, the first of these took 900 MiB, and no other thread ran."""
    tracemalloc.start()
    try:
        for content_type in ("application/json", NDJSON):
            refused_or_counted(body, content_type)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2 * MAX_CALL_BYTES


def refused_or_counted(body: bytes, content_type: str) -> None:
    """Read a body to its end or its refusal."""
    with suppress(BadBody):
        assert sum(isinstance(one, Unreadable) for one in raw_records(body, content_type)) == 1


def test_records_are_counted_as_they_come() -> None:
    assert len(values(b"[" + b"0," * (MAX_CALL_RECORDS - 1) + b"0]")) == MAX_CALL_RECORDS
    assert refusal_of(b"[" + b"0," * MAX_CALL_RECORDS + b"0]").status == 413
    assert refusal_of(b"0\n" * (MAX_CALL_RECORDS + 1), NDJSON).status == 413


def test_lines_are_records_and_bad_ones_are_reported() -> None:
    body = b'\xef\xbb\xbf{"a":1}\r\n\n  {"b":2}\nnot json\n\xff\n' + b"[" * 5_000 + b'\n{"c":3}'
    found: list[Raw] = list(raw_records(body, f"{NDJSON}; charset=utf-8"))
    assert [one.value for one in found if isinstance(one, Readable)] == [
        {"a": 1},
        {"b": 2},
        {"c": 3},
    ]
    assert [one.found.split(" (")[0] for one in found if isinstance(one, Unreadable)] == [
        "not JSON",
        "not JSON",
        "JSON nested too deeply",
    ]
    assert "empty" in str(refusal_of(b"\n \n", NDJSON))


def test_a_record_keeps_its_original_text() -> None:
    first, second = raw_records('[ {"a": "é"} , "x" ]'.encode(), "application/json")
    assert [first.raw, second.raw] == ['{"a": "é"}', '"x"']


@given(value=JSON)
def test_plain_values_are_those_of_the_records(value: object) -> None:
    body = json.dumps(value).encode()
    if value == []:
        assert plain_values(body) is None
    else:
        assert plain_values(body) == values(body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{} {}", b"{", "{}".encode("utf-16"), b"\xff", b"[" * 10_000]
)
def test_other_bodies_have_no_plain_values(body: bytes) -> None:
    assert plain_values(body) is None


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"{}", "", True),
        (b"{}", NDJSON, False),
        (json.dumps("x" * MAX_PLAIN_BYTES).encode(), "", False),
    ],
)
def test_small_json_is_parsed_at_once(body: bytes, content_type: str, expected: bool) -> None:
    assert is_plain(body, content_type) is expected
