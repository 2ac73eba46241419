"""The answer to each kind of body. No body makes the gateway answer 500 or hang."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from gateway.calls.answers import MAX_PREDICT_BYTES
from gateway.content.record_bodies import MAX_CALL_BYTES, NDJSON
from tests.component.gateway_process import RunningGateway

VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}
JSON, TEXT, FORM = "application/json", "text/plain", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
PART = (
    b'--x\r\nContent-Disposition: form-data; name="body"\r\n\r\n'
    + json.dumps(VIEW).encode()
    + b"\r\n--x--\r\n"
)
DEEP = b"[" * 50_000 + b"]" * 50_000
CALLS = ["/v1/events", "/v1/items", "/predict"]


def to_bytes(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    ("content_type", "body", "says"),
    [
        (JSON, b"", "the body is"),
        (JSON, b" \r\n\t", "the body is"),
        (FORM, b"user_id=ann&item_id=5&type=view", "not JSON"),
        (MULTIPART, PART, "not JSON"),
        ("application/soap+xml", b"<event/>", "not JSON"),
        ("", b"user_id: ann", "not JSON"),
        (JSON, b"{", "not JSON"),
        (JSON, b'{"a": 1}}', "not JSON"),
        (JSON, b'{"a": 1} {"a": 2}', "not JSON"),
        (JSON, b"{'user_id': 'ann'}", "not JSON"),
        (JSON, b'{"a": 1,}', "not JSON"),
        (JSON, b'{"a": "\xff"}', "not JSON"),
        (JSON, b'{"a": "\xed\xa0\x80"}', ""),
        (JSON, b"\x00", "not JSON"),
        (JSON, b"PK\x03\x04" + bytes(60), "not JSON"),
        (JSON, b'"text"', "object"),
        (JSON, b"null", "object"),
        (JSON, b"true", "object"),
        (JSON, b"NaN", "object"),
        (JSON, b"1" + b"0" * 5_000, "not JSON"),
        (JSON, b"1e400", "object"),
        (JSON, DEEP, "nested too deeply"),
        (JSON, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply"),
    ],
)
def test_a_useless_body_is_a_400_with_a_sentence(
    shared_gateway: RunningGateway, path: str, content_type: str, body: bytes, says: str
) -> None:
    answer = shared_gateway.client.post(path, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 400
    assert says in answer.text
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "content_type",
    [JSON, f"{JSON}; charset=utf-8", TEXT, "", "application/octet-stream", "not/a;;type"],
)
@pytest.mark.parametrize(
    "body",
    [
        to_bytes(VIEW),
        to_bytes([VIEW]),
        b"\xef\xbb\xbf" + to_bytes(VIEW),
        json.dumps(VIEW, indent=4).replace("\n", "\r\n").encode(),
        b'{"user_id": "first", "user_id": "ann", "item_id": 5, "type": "view"}',
    ],
    ids=["object", "list", "byte order mark", "indented", "a name twice"],
)
def test_an_event_is_stored_whatever_its_content_type(
    shared_gateway: RunningGateway, content_type: str, body: bytes
) -> None:
    """When a name occurs twice in an object, the last value counts, as in most parsers."""
    answer = shared_gateway.client.post(
        "/v1/events", content=body, headers={"Content-Type": content_type}
    )
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert shared_gateway.log_records()[-1].user_id == "ann"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rating", b"NaN"),
        ("rating", b"-Infinity"),
        ("rating", b"1e400"),
        ("rating", b"1" + b"0" * 400),
        ("rating", b'"4"'),
        ("rating", b"true"),
        ("rating", b"[4]"),
        ("at", b"1e300"),
        ("at", b"NaN"),
        ("at", b'"' + b"9" * 5_000 + b'"'),
        ("at", b'"now"'),
        ("at", b"{}"),
        ("user_id", b'"\\ud800"'),
        ("user_id", b'"a\\u0000b"'),
        ("user_id", b'"a\\nb"'),
        ("user_id", b'"' + b"x" * 600 + b'"'),
        ("user_id", b"1.5"),
        ("user_id", b"null"),
        ("user_id", b'" "'),
        ("item_id", b"[" * 400 + b"]" * 400),
        ("item_id", b'{"id": 5}'),
        ("type", b'""'),
        ("type", b"7"),
        ("type", b'"' + b"t" * 100 + b'"'),
        ("event_id", b"false"),
    ],
)
def test_a_wrong_value_is_refused_by_its_field(
    shared_gateway: RunningGateway, field: str, value: bytes
) -> None:
    body = to_bytes(
        {"user_id": "ann", "item_id": "5", "type": "view", "rating": 3} | {field: "HERE"}
    ).replace(b'"HERE"', value)
    answer = shared_gateway.client.post("/v1/events", content=body)
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["rejected"]] == [field]
    assert len(answer.json()["rejected"][0]["reason"]) < 400


@pytest.mark.parametrize(
    "body",
    [
        {"user_seq": [], "item_desc": "x", "extra": 1},
        {"user_seq": {}, "item_desc": "x"},
        {"user_seq": [[[[]]]], "item_desc": "x"},
        {"user_seq": [], "item_desc": None},
        {"user_seq": [float("nan")], "item_desc": "x"},
        {"user_seq": ["\ud800"], "item_desc": "x"},
    ],
)
def test_what_only_the_model_can_judge_is_passed_on_unchanged(
    shared_gateway: RunningGateway, body: object
) -> None:
    shared_gateway.model.body = {"items": [], "score": 3.5, "model_version": 3}
    sent = json.dumps(body).encode()
    assert shared_gateway.client.post("/predict", content=sent).status_code == 200
    assert json.dumps(shared_gateway.model.asked[-1]) == json.dumps(json.loads(sent))


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(to_bytes(VIEW), mtime=0),
        gzip.compress(b"[" + to_bytes(VIEW), mtime=0) + gzip.compress(b"]", mtime=0),
        gzip.compress(to_bytes([VIEW] * 2_000), mtime=0),
    ],
    ids=["one member", "two members", "a large body"],
)
def test_a_gzip_body_is_unpacked(shared_gateway: RunningGateway, packed: bytes) -> None:
    for encoding in ("gzip", "GZIP", "x-gzip"):
        answer = shared_gateway.client.post(
            "/v1/events", content=packed, headers={"Content-Encoding": encoding}
        )
        assert answer.status_code == 202
        assert answer.json()["accepted"] >= 1


@pytest.mark.parametrize("path", CALLS)
def test_gzip_bodies_are_limited_by_their_unpacked_size(
    shared_gateway: RunningGateway, path: str
) -> None:
    packed = gzip.compress(b" " * (MAX_CALL_BYTES + 1))
    assert len(packed) < 100_000
    answer = shared_gateway.client.post(path, content=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert "MiB" in answer.text


@pytest.mark.parametrize(
    ("encoding", "body", "status", "says"),
    [
        ("gzip", to_bytes(VIEW), 400, "not gzip"),
        ("gzip", gzip.compress(to_bytes(VIEW), mtime=0)[:-12], 400, "ends too early"),
        ("gzip", gzip.compress(to_bytes(VIEW), mtime=0) + b"more", 400, "not gzip"),
        ("gzip", b"", 400, "empty"),
        ("gzip", gzip.compress(b"", mtime=0), 400, "empty"),
        ("br", to_bytes(VIEW), 415, "expected gzip or none"),
        ("deflate", zlib.compress(to_bytes(VIEW)), 415, "expected gzip or none"),
        (
            "gzip, gzip",
            gzip.compress(gzip.compress(to_bytes(VIEW), mtime=0), mtime=0),
            415,
            "expected gzip or none",
        ),
    ],
)
def test_broken_gzip_and_other_encodings_are_refused(
    shared_gateway: RunningGateway, encoding: str, body: bytes, status: int, says: str
) -> None:
    answer = shared_gateway.client.post(
        "/v1/events", content=body, headers={"Content-Encoding": encoding}
    )
    assert (answer.status_code, says in answer.text) == (status, True)
    assert answer.headers.get("accept-encoding") == ("gzip" if status == 415 else None)


def test_lines_may_be_gzip_too(shared_gateway: RunningGateway) -> None:
    body = gzip.compress(to_bytes(VIEW) + b"\nnot json\n" + to_bytes(VIEW))
    answer = shared_gateway.client.post(
        "/v1/events", content=body, headers={"Content-Encoding": "gzip", "Content-Type": NDJSON}
    ).json()
    assert (answer["accepted"], len(answer["rejected"])) == (2, 1)


def test_a_prediction_body_over_its_limit_is_a_413(shared_gateway: RunningGateway) -> None:
    body = to_bytes({"user_seq": ["x" * MAX_PREDICT_BYTES], "item_desc": "x"})
    answer = shared_gateway.client.post("/predict", content=body)
    assert answer.status_code == 413
    assert "1 MiB" in answer.text


@pytest.mark.parametrize(
    ("method", "call", "field", "says"),
    [
        (
            "GET",
            "/v1/recommendations/ann?kk=3",
            "kk",
            "expected only attributes, copy, exclude_seen, filter, k",
        ),
        ("GET", "/v1/recommendations/ann?k=3&K=4", "K", "unknown parameter"),
        ("GET", "/v1/recommendations/ann?k=3&k=4", "k", "found 2 values, expected one"),
        ("GET", "/v1/recommendations/ann?%ff=1", "\\ufffd", "unknown parameter"),
        ("GET", "/v1/status?full=1", "full", "expected none"),
        ("GET", "/metrics?x=", "x", "expected none"),
        ("POST", "/v1/events?dry_run=true", "dry_run", "expected only key"),
        ("POST", "/predict?version=2", "version", "expected none"),
        ("DELETE", "/v1/users/ann?really=no", "really", "expected none"),
    ],
)
def test_unknown_and_repeated_parameters_are_refused(
    shared_gateway: RunningGateway, method: str, call: str, field: str, says: str
) -> None:
    answer = shared_gateway.client.request(
        method, call, content=to_bytes(VIEW) if method == "POST" else None
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field
    assert says in answer.json()["error"]["reason"]


def test_filters_may_repeat_and_probes_take_any_parameter(shared_gateway: RunningGateway) -> None:
    assert (
        shared_gateway.client.get(
            "/v1/recommendations/ann?filter=a:1&filter=a:2&k=3&exclude_seen=false"
        ).status_code
        == 200
    )
    assert shared_gateway.client.get("/healthz?now=1").status_code == 200
    assert shared_gateway.client.get("/readyz?now=1").status_code == 200


def test_a_body_where_none_belongs_is_ignored(shared_gateway: RunningGateway) -> None:
    for path in ("/healthz", "/v1/recommendations/ann"):
        assert shared_gateway.client.request("GET", path, content=DEEP).status_code == 200


def test_none_of_these_calls_was_an_internal_error(shared_gateway: RunningGateway) -> None:
    assert 'status="500"' not in shared_gateway.client.get("/metrics").text


def test_an_answer_without_valid_items_gives_the_fallback(shared_gateway: RunningGateway) -> None:
    for items in (None, "7", [7], [{"title": "no id"}], [{"id": 7}]):
        shared_gateway.model.body = (
            {"items": items, "model_version": 3}
            if isinstance(items, list)
            else {"items": {}, "model_version": 3}
        )
        assert shared_gateway.client.get("/v1/recommendations/ann").json()["fallback"] is True
