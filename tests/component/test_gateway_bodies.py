"""What the gateway answers to each kind of body, and that no body makes it answer 500 or hang."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

import pytest

from gateway.calls.answers import MAX_PREDICT_BYTES
from gateway.http.record_bodies import MAX_CALL_BYTES, NDJSON
from tests.component import story
from tests.component.gateway_process import House, furnished

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


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("bodies")
    story.tell(folder / "told.db").close()
    with furnished(folder, folder / "told.db") as house:
        yield house


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    ("content_type", "body", "says"),
    [
        (JSON, b"", "the body is"),
        (JSON, b" \r\n\t", "the body is"),
        (FORM, b"user_id=ann&item_id=5&type=view", "not JSON"),
        (MULTIPART, PART, "not JSON"),
        ("application/xml", b"<event/>", "not JSON"),
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
def test_a_body_that_holds_nothing_of_use_is_a_400_with_a_sentence(
    house: House, path: str, content_type: str, body: bytes, says: str
) -> None:
    answer = house.client.post(path, content=body, headers={"Content-Type": content_type})
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
        encoded(VIEW),
        encoded([VIEW]),
        b"\xef\xbb\xbf" + encoded(VIEW),
        json.dumps(VIEW, indent=4).replace("\n", "\r\n").encode(),
        b'{"user_id": "first", "user_id": "ann", "item_id": 5, "type": "view"}',
    ],
    ids=["object", "list", "byte order mark", "indented", "a name twice"],
)
def test_an_event_is_taken_whatever_its_content_type_says(
    house: House, content_type: str, body: bytes
) -> None:
    """Of a name that stands twice in an object the last value counts, as in most readers of JSON."""
    answer = house.client.post("/v1/events", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert house.logged()[-1].user_id == "ann"  # type: ignore[union-attr]


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
def test_a_wrong_value_is_told_by_its_field(house: House, field: str, value: bytes) -> None:
    body = encoded(
        {"user_id": "ann", "item_id": "5", "type": "view", "rating": 3} | {field: "HERE"}
    ).replace(b'"HERE"', value)
    answer = house.client.post("/v1/events", content=body)
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
def test_what_only_the_model_can_tell_reaches_it_as_it_came(house: House, body: object) -> None:
    house.model.body = {"score": 3.5, "model_version": 3}
    sent = json.dumps(body).encode()
    assert house.client.post("/predict", content=sent).status_code == 200
    assert json.dumps(house.model.asked[-1]) == json.dumps(json.loads(sent))


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(encoded(VIEW)),
        gzip.compress(b"[" + encoded(VIEW)) + gzip.compress(b"]"),
        gzip.compress(encoded([VIEW] * 2_000)),
    ],
    ids=["one member", "two members", "a large body"],
)
def test_a_gzip_body_is_unpacked(house: House, packed: bytes) -> None:
    for encoding in ("gzip", "GZIP", "x-gzip"):
        answer = house.client.post(
            "/v1/events", content=packed, headers={"Content-Encoding": encoding}
        )
        assert answer.status_code == 202
        assert answer.json()["accepted"] >= 1


@pytest.mark.parametrize("path", CALLS)
def test_a_small_gzip_body_that_unpacks_to_very_much_is_refused_by_its_unpacked_size(
    house: House, path: str
) -> None:
    packed = gzip.compress(b" " * (MAX_CALL_BYTES + 1))
    assert len(packed) < 100_000
    answer = house.client.post(path, content=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    assert "MiB" in answer.text


@pytest.mark.parametrize(
    ("encoding", "body", "status", "says"),
    [
        ("gzip", encoded(VIEW), 400, "not gzip"),
        ("gzip", gzip.compress(encoded(VIEW))[:-12], 400, "ends too early"),
        ("gzip", gzip.compress(encoded(VIEW)) + b"more", 400, "not gzip"),
        ("gzip", b"", 400, "empty"),
        ("gzip", gzip.compress(b""), 400, "empty"),
        ("br", encoded(VIEW), 415, "expected gzip or none"),
        ("deflate", zlib.compress(encoded(VIEW)), 415, "expected gzip or none"),
        ("gzip, gzip", gzip.compress(gzip.compress(encoded(VIEW))), 415, "expected gzip or none"),
    ],
)
def test_what_is_not_gzip_or_another_encoding_is_refused(
    house: House, encoding: str, body: bytes, status: int, says: str
) -> None:
    answer = house.client.post("/v1/events", content=body, headers={"Content-Encoding": encoding})
    assert (answer.status_code, says in answer.text) == (status, True)
    assert answer.headers.get("accept-encoding") == ("gzip" if status == 415 else None)


def test_lines_may_be_gzip_too(house: House) -> None:
    body = gzip.compress(encoded(VIEW) + b"\nnot json\n" + encoded(VIEW))
    answer = house.client.post(
        "/v1/events", content=body, headers={"Content-Encoding": "gzip", "Content-Type": NDJSON}
    ).json()
    assert (answer["accepted"], len(answer["rejected"])) == (2, 1)


def test_a_plain_question_over_its_limit_is_a_413(house: House) -> None:
    body = encoded({"user_seq": ["x" * MAX_PREDICT_BYTES], "item_desc": "x"})
    answer = house.client.post("/predict", content=body)
    assert answer.status_code == 413
    assert "1 MiB" in answer.text


@pytest.mark.parametrize(
    ("method", "call", "field", "says"),
    [
        ("GET", "/v1/recommendations/ann?kk=3", "kk", "expected only exclude_seen, filter, k"),
        ("GET", "/v1/recommendations/ann?k=3&K=4", "K", "unknown parameter"),
        ("GET", "/v1/recommendations/ann?k=3&k=4", "k", "found 2 values, expected one"),
        ("GET", "/v1/recommendations/ann?%ff=1", "\\ufffd", "unknown parameter"),
        ("GET", "/v1/status?full=1", "full", "expected none"),
        ("GET", "/metrics?x=", "x", "expected none"),
        ("POST", "/v1/events?dry_run=true", "dry_run", "expected none"),
        ("POST", "/predict?version=2", "version", "expected none"),
        ("DELETE", "/v1/users/ann?really=no", "really", "expected none"),
    ],
)
def test_an_unknown_query_parameter_is_refused_like_an_unknown_field(
    house: House, method: str, call: str, field: str, says: str
) -> None:
    answer = house.client.request(method, call, content=encoded(VIEW) if method == "POST" else None)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field
    assert says in answer.json()["error"]["reason"]


def test_a_filter_may_stand_several_times_and_probes_may_add_what_they_like(house: House) -> None:
    assert (
        house.client.get(
            "/v1/recommendations/ann?filter=a:1&filter=a:2&k=3&exclude_seen=false"
        ).status_code
        == 200
    )
    assert house.client.get("/healthz?now=1").status_code == 200
    assert house.client.get("/readyz?now=1").status_code == 200


def test_a_body_where_none_belongs_is_ignored(house: House) -> None:
    for path in ("/healthz", "/v1/recommendations/ann"):
        assert house.client.request("GET", path, content=DEEP).status_code == 200


def test_nothing_of_all_this_was_an_error_of_ours(house: House) -> None:
    assert 'status="500"' not in house.client.get("/metrics").text


def test_an_answer_without_a_list_of_items_is_no_answer(house: House) -> None:
    for items in (None, "7", [7], [{"title": "no id"}], [{"id": 7}]):
        house.model.body = (
            {"items": items, "model_version": 3}
            if isinstance(items, list)
            else {"items": {}, "model_version": 3}
        )
        assert house.client.get("/v1/recommendations/ann").json()["fallback"] is True
