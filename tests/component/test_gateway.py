"""The gateway over HTTP: real application, real SQLite back ends; the model server stood in for, or away."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cron import wiring
from cron.journal.dead_letters import DeadLetters
from cron.ledger import forgotten
from cron.urls import files
from gateway.http.record_bodies import MAX_CALL_BYTES
from gateway.metrics import NUM_SERIES
from recommender.events import MAX_RECORD_BYTES, Event, Item
from tests.component import story
from tests.component.gateway_process import House, StandIn, furnished, gateway, settings_in

VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger with the story, to be copied."""
    file = tmp_path_factory.mktemp("story") / "ledger.db"
    story.tell(file).close()
    return file


@pytest.fixture
def house(tmp_path: Path, told: Path) -> Iterator[House]:
    with furnished(tmp_path, told) as house:
        yield house


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, told: Path) -> Iterator[House]:
    """Give one house to all the calls that leave nothing behind."""
    with furnished(tmp_path_factory.mktemp("shared"), told) as house:
        yield house


def test_an_event_is_durable_when_the_call_answers_and_in_the_next_recommendation(
    house: House,
) -> None:
    event = {
        "event_id": "e1",
        "user_id": "ann",
        "item_id": 5,
        "type": "rating",
        "rating": 4,
        "at": "2026-01-02T03:04:05+01:00",
    }
    answer = house.client.post("/v1/events", json=event)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    at = datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert house.logged() == (
        Event(event_id="e1", user_id="ann", item_id="5", type="rating", rating=4.0, at=at),
    )
    house.client.get("/v1/recommendations/ann?k=3")
    assert house.model.asked[-1] == {
        "user_seq": [{"id": "5", "type": "rating", "rating": 4.0, "at": at.isoformat()}],
        "k": 3,
        "exclude_seen": True,
        "exclude": ["5"],
    }


def test_an_event_without_id_is_given_ever_greater_ids(house: House) -> None:
    answer = house.client.post("/v1/events", json=[VIEW] * 50)
    assigned = [one["event_id"] for one in answer.json()["event_ids"]]
    assert [one["index"] for one in answer.json()["event_ids"]] == list(range(50))
    assert assigned == sorted(set(assigned))
    assert {uuid.UUID(one).version for one in assigned} == {7}
    assert [record.event_id for record in house.logged()] == assigned


def test_the_same_event_id_counts_once(house: House) -> None:
    house.client.post("/v1/events", json={**VIEW, "event_id": "e1"})
    answer = house.client.post(
        "/v1/events",
        json=[{**VIEW, "event_id": "e1"}, {**VIEW, "event_id": "e2"}, {**VIEW, "event_id": "e2"}],
    )
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "duplicates": 2, "rejected": []}
    assert [record.event_id for record in house.logged()] == ["e1", "e2"]
    again = house.client.post("/v1/events", json={**VIEW, "event_id": "e1"})
    assert (again.status_code, again.json()["duplicates"]) == (202, 1)


def test_a_bad_record_is_told_by_index_field_and_reason_kept_and_harms_no_other(
    house: House,
) -> None:
    bad = {**VIEW, "type": "rating", "rating": "five"}
    answer = house.client.post("/v1/events", json=[VIEW, bad, VIEW])
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    (rejected,) = answer.json()["rejected"]
    assert (rejected["index"], rejected["field"]) == (1, "rating")
    assert "'five'" in rejected["reason"]
    (letter,) = DeadLetters(Path(house.settings.store.var) / "dead-letters.jsonl").newest(10)
    assert json.loads(letter.raw) == bad
    assert letter.reason == rejected["reason"]


def test_good_records_are_taken_when_dead_letters_cannot_be_written(house: House) -> None:
    (Path(house.settings.store.var) / "dead-letters.jsonl").mkdir(
        parents=True
    )  # nobody can append to a folder
    answer = house.client.post(
        "/v1/events", json=[VIEW, {**VIEW, "type": "rating", "rating": "five"}]
    )
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["rejected"][0]["index"]) == (1, 1)
    assert len(house.logged()) == 1


def test_only_bad_records_are_a_400(house: House) -> None:
    answer = house.client.post("/v1/events", json=[{"user_id": "ann"}])
    assert answer.status_code == 400
    assert answer.json()["rejected"][0]["field"] == "type"
    assert house.logged() == ()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "empty"),
        (b"[]", 400, "empty"),
        (b'[{"user_id": ', 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b"3", 400, "expected a JSON object"),
        (b'{"user_id": "a", "item_id": "b", "type": "view", "ratng": 3}', 400, "ratng"),
        (
            b'{"user_id": "a", "item_id": "b", "type": "view", "rating": 1' + b"0" * 400 + b"}",
            400,
            "rating",
        ),
        (b'{"user_id": "a", "item_id": "b", "type": "view", "rating": NaN}', 400, "NaN"),
        (
            b'{"user_id": "a", "item_id": "b", "type": "view", "at": '
            + b"[" * 900
            + b"]" * 900
            + b"}",
            400,
            "at",
        ),
        (b'{"user_id": "\\ud800", "item_id": "b", "type": "view"}', 400, "Unicode"),
        (b'{"\\ud800": 1}', 400, "unknown field"),
        (b'{"user_id": "a", "item_id": "b", "type": "view", "at": "1970-01-01"}', 400, "1990"),
        (b" " * (MAX_CALL_BYTES + 1), 413, "32 MiB"),
    ],
)
def test_hostile_bodies_get_a_sentence(shared: House, body: bytes, status: int, says: str) -> None:
    answer = shared.client.post("/v1/events", content=body)
    assert answer.status_code == status
    assert says in answer.text
    answer.json()


def test_ndjson_is_taken_line_by_line(house: House) -> None:
    long = json.dumps({**VIEW, "item_id": "x" * MAX_RECORD_BYTES})
    lines = [
        json.dumps({**VIEW, "event_id": "e1"}),
        "",
        "not json",
        long,
        json.dumps({**VIEW, "event_id": "e2"}),
    ]
    answer = house.client.post(
        "/v1/events",
        content="\n".join(lines),
        headers={"Content-Type": "application/x-ndjson; charset=utf-8"},
    )
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    assert [(one["index"], one["field"]) for one in answer.json()["rejected"]] == [
        (1, "record"),
        (2, "record"),
    ]
    assert [record.event_id for record in house.logged()] == ["e1", "e2"]


def test_a_record_over_the_limit_is_refused_in_a_list_too(house: House) -> None:
    answer = house.client.post(
        "/v1/items",
        json=[
            {"item_id": "1", "title": "a", "text": "x" * MAX_RECORD_BYTES},
            {"item_id": "2", "title": "b"},
        ],
    )
    assert answer.json()["accepted"] == 1
    assert "256 KiB" in answer.json()["rejected"][0]["reason"]


def test_items_are_stored_and_hidden_ones_are_left_out_at_once(house: House) -> None:
    item = {
        "item_id": "7",
        "title": "Star Wars",
        "attributes": {"genre": ["Action"], "year": 1977},
        "hidden": True,
    }
    assert house.client.post("/v1/items", json=item).status_code == 202
    (stored,) = house.logged()
    assert isinstance(stored, Item)
    assert stored.attributes == {"genre": ("Action",), "year": 1977.0}
    assert house.client.get("/v1/recommendations/ann").json()["items"] == []


def test_a_recommendation_names_user_version_and_items(shared: House) -> None:
    answer = shared.client.get("/v1/recommendations/a%2Fb?k=1")
    assert answer.json() == {
        "user_id": "a/b",
        "model_version": 3,
        "items": [{"id": "7", "title": "Film 7", "score": 1.5}],
    }


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("filter=genre:Comedy", {"genre": "Comedy"}),
        ("filter=genre:Comedy&filter=genre:Drama", {"genre": ["Comedy", "Drama"]}),
        ("filter=year:1995", {"year": "1995"}),
        ("filter=price:4.50", {"price": ["4.50", "4.5"]}),
        ("filter=year:1995.0&filter=year:1996", {"year": ["1995.0", "1996", "1995"]}),
        ("filter=change:-0.0", {"change": ["-0.0", "0"]}),
        ("filter=zip:01234", {"zip": "01234"}),
        ("filter=code:1234567890123456", {"code": "1234567890123456"}),
        ("filter=title:nan", {"title": "nan"}),
        ('filter={"year": "1995"}', {"year": "1995"}),
    ],
)
def test_filters_reach_the_model(shared: House, query: str, sent: dict[str, object]) -> None:
    shared.client.get(f"/v1/recommendations/ann?{query}")
    assert shared.model.asked[-1]["filter"] == sent


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("k=0", "k"),
        ("k=1000000", "k"),
        ("k=ten", "k"),
        ("exclude_seen=maybe", "exclude_seen"),
        ("filter=x", "filter"),
        ("filter={", "filter"),
    ],
)
def test_a_wrong_query_is_told_by_its_parameter(shared: House, query: str, field: str) -> None:
    answer = shared.client.get(f"/v1/recommendations/ann?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field
    assert field in answer.json()["error"]["reason"]


def test_what_the_model_finds_wrong_stays_a_400(house: House) -> None:
    house.model.status, house.model.body = (
        400,
        {"error": {"field": "filter", "reason": "filter: no attribute genra"}},
    )
    answer = house.client.get("/v1/recommendations/ann?filter=genra:Comedy")
    assert (answer.status_code, answer.json()) == (400, house.model.body)


def test_seen_items_come_back_when_they_are_asked_for(house: House) -> None:
    house.client.post("/v1/events", json=VIEW)
    house.client.get("/v1/recommendations/ann?exclude_seen=false")
    asked = house.model.asked[-1]
    assert (asked["exclude_seen"], asked["exclude"]) == (False, [])


def test_with_the_model_server_away_the_popular_items_stand_in(house: House) -> None:
    house.client.post("/v1/events", json=[{**VIEW, "item_id": "1"}, {**VIEW, "item_id": "2"}])
    house.client.post("/v1/items", json={"item_id": "3", "title": "Film 3", "hidden": True})
    house.model.stop()
    answer = house.client.get("/v1/recommendations/ann?k=2")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["fallback"], body["model_version"]) == (True, 3)
    assert body["items"] == [{"id": "4", "title": "Film 4"}, {"id": "5", "title": "Film 5"}]
    assert house.client.get("/v1/recommendations/ann?filter=genre:Comedy").json()["items"] == []
    assert house.client.get("/readyz").status_code == 503
    assert house.client.post("/predict", json={"user_seq": [], "item_desc": "x"}).status_code == 503
    assert house.client.get("/healthz").status_code == 200
    assert "freshet_fallbacks_total 2.0" in house.client.get("/metrics").text


def test_a_model_server_in_trouble_means_the_popular_items_too(house: House) -> None:
    for status in (404, 500, 503, 507):
        house.model.status, house.model.body = (
            status,
            {"code": status, "type": "InternalServerException", "message": "Worker died."},
        )
        answer = house.client.get("/v1/recommendations/ann")
        assert answer.status_code == 200
        assert answer.json()["fallback"] is True


def test_the_plain_contract(house: House) -> None:
    house.model.body = {"score": 3.91, "model_version": 3, "resolved": {}}
    answer = house.client.post(
        "/predict", json={"user_seq": ["Toy Story (1995)"], "item_desc": "GoldenEye (1995)"}
    )
    assert answer.json() == {"score": 3.91}
    assert answer.headers["x-model-version"] == "3"
    assert house.client.get("/readyz").json() == {"status": "ready", "model_version": 3}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"user_seq": []}', b'{"user_seq"'])
def test_a_plain_question_that_is_none_gets_a_sentence(shared: House, body: bytes) -> None:
    answer = shared.client.post("/predict", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "body"


def test_a_forgotten_user_is_a_cold_user(house: House) -> None:
    house.client.post("/v1/events", json=VIEW)
    answer = house.client.delete("/v1/users/ann").json()
    assert (answer["user_id"], answer["forgotten"]) == ("ann", True)
    (mark,) = forgotten.every(wiring.open_ledger(house.settings.store.ledger))
    assert (mark.up_to.isoformat(), mark.asked_by) == (answer["up_to"], "the gateway")
    house.client.get("/v1/recommendations/ann")
    assert house.model.asked[-1] == {"user_seq": [], "k": 10, "exclude_seen": True, "exclude": []}


def test_status_tells_the_story(house: House) -> None:
    house.client.post("/v1/events", json=VIEW)
    status = house.client.get("/v1/status").json()
    assert (status["live"]["version"], status["live"]["parent"]) == (3, 2)
    assert status["waiting"]["in_log"] == 1
    assert [release["version"] for release in status["releases"]] == [3, 2, 1, 0]
    assert [round(release["ndcg"], 3) for release in status["releases"][:3]] == [
        0.093,
        0.086,
        0.081,
    ]
    refused = next(run for run in status["runs"] if run["outcome"] == "refused")
    assert story.NOT_ACCEPTED in [reason["text"] for reason in refused["reasons"]]
    assert status["hold"] is None
    page = house.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_metrics_speak_of_calls_records_and_the_live_release(house: House) -> None:
    house.client.post("/v1/events", json=[VIEW, {}])
    house.client.get("/v1/recommendations/ann")
    text = house.client.get("/metrics").text
    assert (
        'freshet_requests_total{call="/v1/recommendations/{user_id:path}",status="200"} 1.0' in text
    )
    assert 'freshet_records_total{kind="event",outcome="accepted"} 1.0' in text
    assert 'freshet_records_total{kind="event",outcome="rejected"} 1.0' in text
    assert "freshet_live_version 3.0" in text
    assert "freshet_log_backlog 1.0" in text
    assert "freshet_history_backlog 1.0" in text
    assert 'freshet_runs_total{outcome="refused"} 1.0' in text
    assert 'freshet_newest_run_step_seconds{step="train"} 12.5' in text
    assert 'freshet_answer_seconds_count{call="recommendations",model_version="3"} 1.0' in text
    assert "freshet_ledger_up 1.0" in text
    assert "ann" not in text


def test_metrics_without_a_ledger_give_what_else_there_is(house: House) -> None:
    house.client.post("/v1/events", json=VIEW)
    files.parse(house.settings.store.ledger).path.write_bytes(b"no database any more")
    for name in ("-wal", "-shm"):
        files.parse(house.settings.store.ledger + name).path.unlink(missing_ok=True)
    answer = house.client.get("/metrics")
    assert answer.status_code == 200
    assert "freshet_ledger_up 0.0" in answer.text
    assert "freshet_history_backlog 1.0" in answer.text
    assert 'freshet_records_total{kind="event",outcome="accepted"} 1.0' in answer.text
    assert "freshet_live_version" not in answer.text


def test_answers_are_told_apart_by_version_and_old_versions_are_forgotten(house: House) -> None:
    for version in range(40):
        house.model.body = {"items": [], "model_version": version}
        house.client.get("/v1/recommendations/ann")
    house.model.stop()
    house.client.get("/v1/recommendations/ann")
    counted = [
        line
        for line in house.client.get("/metrics").text.splitlines()
        if line.startswith("freshet_answer_seconds_count")
    ]
    assert len(counted) == NUM_SERIES
    assert 'freshet_answer_seconds_count{call="recommendations",model_version="39"} 1.0' in counted
    assert (
        'freshet_answer_seconds_count{call="recommendations",model_version="fallback"} 1.0'
        in counted
    )


def test_the_model_servers_key_is_shown_and_read_anew(tmp_path: Path) -> None:
    model, keys = StandIn(), tmp_path / "key_file.json"
    plain = settings_in(tmp_path, inference_port=model.port)
    settings = replace(
        plain, store=replace(plain.store, server=f"{plain.store.server}&keys={keys}")
    )
    with gateway(settings) as client:
        assert "key file" in client.get("/v1/recommendations/ann").json()["reason"]
        for key in ("first", "second"):
            keys.write_text(json.dumps({"inference": {"key": key}, "management": {"key": "other"}}))
            assert "fallback" not in client.get("/v1/recommendations/ann").json()
            assert model.authorization == f"Bearer {key}"
        model.status, model.body = (
            400,
            {"code": 400, "type": "InvalidKeyException", "message": "Token Authorization failed."},
        )
        assert (
            "Token Authorization failed." in client.get("/v1/recommendations/ann").json()["reason"]
        )
    model.stop()


def test_what_is_not_there_is_told_as_json(shared: House) -> None:
    assert shared.client.get("/v1/nothing").json()["error"]["field"] == "path"
    answer = shared.client.get("/v1/events")
    assert answer.status_code == 405
    assert "POST" in answer.json()["error"]["reason"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/status",
        "/v1/recommendations/ann",
        "/docs",
        "/v1/nothing",
    ],
)
def test_head_is_answered_like_get_without_a_body(shared: House, path: str) -> None:
    answer, full = shared.client.head(path), shared.client.get(path)
    assert (answer.status_code, answer.content) == (full.status_code, b"")
    assert answer.headers["content-type"] == full.headers["content-type"]
    assert shared.client.get("/healthz").text == '{"status":"alive"}\n'  # the connection is in step


def test_head_is_counted_by_its_route_and_refused_where_get_is(house: House) -> None:
    assert house.client.head("/v1/events").status_code == 405
    house.client.head("/healthz")
    assert (
        'freshet_requests_total{call="/healthz",status="200"} 1.0'
        in house.client.get("/metrics").text
    )


def test_a_web_page_of_another_site_cannot_post_events_through_somebodys_browser(
    shared: House,
) -> None:
    for site, status in (("cross-site", 403), ("same-origin", 202), ("none", 202)):
        headers = {
            "Sec-Fetch-Site": site,
            "Content-Type": "text/plain",
        }  # no preflight asks for such a call
        assert (
            shared.client.post("/v1/events", content=json.dumps(VIEW), headers=headers).status_code
            == status
        )


@pytest.mark.parametrize("header", ["Host", "Origin"])
@pytest.mark.parametrize(
    "name",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::1", ""],
)
def test_a_page_whose_name_was_pointed_at_this_machine_is_refused(
    shared: House, header: str, name: str
) -> None:
    """DNS rebinding: for the browser such a call is of the same origin, but it tells the name that it called."""
    address = f"{name}:8000" if header == "Host" else f"http://{name}:8000"
    headers = {"Sec-Fetch-Site": "same-origin", header: address}
    answer = shared.client.get("/v1/status", headers=headers)
    assert answer.status_code == 403
    assert f"{header} is " in answer.json()["error"]["reason"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "shop.localhost", "127.8.8.8"])
def test_this_machines_own_names_are_answered(shared: House, name: str) -> None:
    headers = {"Host": f"{name}:8000", "Origin": f"http://{name}:3000"}
    assert shared.client.get("/v1/status", headers=headers).status_code == 200


def test_with_a_key_set_calls_need_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, inference_port=9, api_key="secret-key")
    with gateway(settings) as client:
        for method, path in (
            ("POST", "/v1/events"),
            ("GET", "/v1/recommendations/ann"),
            ("GET", "/v1/status"),
            ("GET", "/metrics"),
        ):
            assert client.request(method, path).status_code == 401
            assert (
                client.request(method, path, headers={"Authorization": "Bearer wrong"}).status_code
                == 401
            )
        shown = {"Authorization": "Bearer secret-key"}
        assert client.post("/v1/events", json=VIEW, headers=shown).status_code == 202
        assert client.get("/v1/recommendations/ann", headers=shown).json()["items"] == []
        assert client.get("/").status_code == 200
        assert client.get("/healthz").status_code == 200
