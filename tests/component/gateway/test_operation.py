"""Status, metrics and HEAD over HTTP."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from cron.urls import files
from gateway.metrics import NUM_SERIES
from tests.component import story
from tests.component.gateway_process import RunningGateway, gateway, settings_in

VIEW = {"user_id": "ann", "item_id": "5", "type": "view"}


def test_status_has_releases_runs_and_what_waits(running: RunningGateway) -> None:
    running.client.post("/v1/events", json=VIEW)
    status = running.client.get("/v1/status").json()
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
    assert status["roles"] == ["read", "write"]


def test_the_page_calls_only_here_and_is_never_framed(shared_gateway: RunningGateway) -> None:
    page = shared_gateway.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(policy)


def test_metrics_count_calls_records_and_answers(running: RunningGateway) -> None:
    running.client.post("/v1/events", json=[VIEW, {}])
    before = running.client.get("/metrics").text  # no list is in the log yet
    assert "freshet_log_backlog 1.0" in before
    assert "freshet_history_backlog 1.0" in before
    running.client.get("/v1/recommendations/ann")
    text = running.client.get("/metrics").text
    assert 'freshet_requests_total{call="/v1/recommendations/{user_id}",status="200"} 1.0' in text
    assert 'freshet_records_total{kind="event",outcome="accepted"} 1.0' in text
    assert 'freshet_records_total{kind="event",outcome="rejected"} 1.0' in text
    assert "freshet_live_version 3.0" in text
    assert 'freshet_runs_total{outcome="refused"} 1.0' in text
    assert 'freshet_newest_run_step_seconds{step="train"} 12.5' in text
    assert 'freshet_answer_seconds_count{call="recommendations",model_version="3"} 1.0' in text
    assert "freshet_ledger_up 1.0" in text
    assert "ann" not in text


def damage_ledger(running: RunningGateway) -> None:
    files.parse(running.settings.store.ledger).path.write_bytes(b"not a database")
    for name in ("-wal", "-shm"):
        files.parse(running.settings.store.ledger + name).path.unlink(missing_ok=True)


def test_status_hides_what_a_failing_database_says(running: RunningGateway) -> None:
    damage_ledger(running)
    answer = running.client.get("/v1/status")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["reason"] == (
        "the gateway's storage does not answer (LedgerFailed); try again in 1 s"
    )


def test_metrics_without_a_ledger_keep_the_gateways_own(running: RunningGateway) -> None:
    running.client.post("/v1/events", json=VIEW)
    damage_ledger(running)
    answer = running.client.get("/metrics")
    assert answer.status_code == 200
    assert "freshet_ledger_up 0.0" in answer.text
    assert "freshet_history_backlog 1.0" in answer.text
    assert 'freshet_records_total{kind="event",outcome="accepted"} 1.0' in answer.text
    assert "freshet_live_version" not in answer.text


def test_answer_times_keep_the_newest_versions(running: RunningGateway) -> None:
    for version in range(40):
        running.model.body = {"items": [], "model_version": version}
        running.client.get("/v1/recommendations/ann")
    running.model.stop()
    running.client.get("/v1/recommendations/ann")
    counted = [
        line
        for line in running.client.get("/metrics").text.splitlines()
        if line.startswith("freshet_answer_seconds_count")
    ]
    assert len(counted) == NUM_SERIES
    assert 'freshet_answer_seconds_count{call="recommendations",model_version="39"} 1.0' in counted
    assert (
        'freshet_answer_seconds_count{call="recommendations",model_version="fallback"} 1.0'
        in counted
    )


def test_unknown_paths_and_methods_are_refused_as_json(shared_gateway: RunningGateway) -> None:
    assert shared_gateway.client.get("/v1/nothing").json()["error"]["field"] == "path"
    answer = shared_gateway.client.get("/v1/events")
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
def test_head_answers_like_get_without_a_body(shared_gateway: RunningGateway, path: str) -> None:
    answer, full = shared_gateway.client.head(path), shared_gateway.client.get(path)
    assert (answer.status_code, answer.content) == (full.status_code, b"")
    assert answer.headers["content-type"] == full.headers["content-type"]
    assert (
        shared_gateway.client.get("/healthz").text == '{"status":"alive"}\n'
    )  # the connection is in step


def test_head_is_counted_by_route_and_refused_like_get(running: RunningGateway) -> None:
    assert running.client.head("/v1/events").status_code == 405
    running.client.head("/healthz")
    assert (
        'freshet_requests_total{call="/healthz",status="200"} 1.0'
        in running.client.get("/metrics").text
    )


def test_a_gateway_stops_without_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with gateway(settings_in(tmp_path, inference_port=9)) as client:
        assert client.get("/healthz").status_code == 200
    gc.collect()  # a task whose error nobody read says so when it is collected
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == []
