"""The README's story on a real machine with facts, from serve to stop and start again.

Real TorchServe, gateway, worker and trainer, started by `make serve` as a user would. The gate
applies only its sanity tests, so that every cycle publishes; other tests cover what it accepts.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cron.project_root import PROJECT_ROOT
from tests.architecture.documents import blocks
from tests.system.machine import QUICK, Machine, until, write_slice

ITEMS = (PROJECT_ROOT / "docs" / "items.md").read_text(encoding="utf-8")
LIMIT_S = 240.0  # of what takes some seconds on an idle machine
CURL = re.compile(r"^ *\$? *(curl .+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, movielens_100k: Path) -> Iterator[Machine]:
    """Return a machine that serves a slice of MovieLens; the tests below tell one story."""
    folder = tmp_path_factory.mktemp("machine")
    one = Machine(folder, settings=QUICK)
    try:
        _ingest_graph(one)
        one.start(write_slice(movielens_100k, folder / "films", num_events=12_000))
        yield one
    finally:
        one.stop()


def test_the_ready_block_tells_what_is_live(machine: Machine) -> None:
    printed = machine.printed_text()
    assert "Ingesting the first 80 %" in printed
    assert "ready: release 1 is live" in printed, printed
    assert machine.live() == 1


def test_the_ready_block_works_when_pasted(machine: Machine) -> None:
    score, top, known = (json.loads(_shell(line)) for line in CURL.findall(machine.printed_text()))
    assert 0.5 <= score["score"] <= 5.5
    assert [len(answer["items"]) for answer in (top, known)] == [5, 5]
    assert {answer["model_version"] for answer in (score, top, known)} == {1}


def test_the_curl_commands_of_the_readme_answer_what_it_shows(machine: Machine) -> None:
    transcripts = [
        block for block in blocks(PROJECT_ROOT / "README.md", "console") if "$ curl" in block
    ]
    assert transcripts
    for block in transcripts:
        for command, shown in re.findall(r"^\$ (curl .+(?:\n  .+)*)\n(\{.*)$", block, re.MULTILINE):
            answered = json.loads(_shell(machine.here(command.replace("\\\n", " "))))
            assert set(answered) == set(json.loads(shown)), command


def test_a_film_has_the_facts_of_the_demos_graph(machine: Machine) -> None:
    """The commands of docs/items.md say who directed Vertigo, and what else they directed."""
    item, listed = (
        json.loads(_shell(machine.here(command)))
        for command in re.findall(
            r"`?(curl -s '?http[^`\n]*(?:items/479|filter=film)[^`\n]*)", ITEMS
        )
    )
    assert "Vertigo" in item["title"]
    assert {"relation": "film.film.directed_by", "tail": "m.0j_c"} in item["facts"]
    titles = " ".join(one["title"] for one in listed["items"])
    assert len(listed["items"]) == 3
    assert re.search(r"Vertigo|Psycho|Birds|North by Northwest|Rear Window|Rebecca", titles), titles


def test_the_shop_gives_reasons_by_shared_facts(machine: Machine) -> None:
    """As /shop asks: the cards beside Vertigo say what they share with it."""
    question = {
        "context": {"item_id": "479"},
        "candidates": ["480", "603", "428"],
        "history": [],
        "explain": True,
        "copy": True,
    }
    answer = httpx.post(
        f"{machine.gateway}/v1/recommendations", json=question, timeout=60, trust_env=False
    ).json()
    by_title = {one["title"]: one for one in answer["items"]}
    (fact, *_) = by_title["Rear Window (1954)"]["reason"]["facts"]
    assert fact["item"] == {"id": "479", "title": "Vertigo (1958)"}
    assert fact["relation"] == fact["item_relation"]
    assert "Vertigo" in by_title["Rear Window (1954)"]["copy"]["text"]
    relations = {one["relation"] for item in answer["items"] for one in item["reason"]["facts"]}
    assert "film.film.directed_by" in relations, relations


def test_no_request_leaves_a_line_in_torchserves_log(machine: Machine) -> None:
    log = (machine.folder / "var" / "log" / "torchserve.log").read_text()
    assert "ModelServer" in log
    assert not re.findall(
        r"Backend response time|Sending response|Looping backend|result=\[METRICS\]", log
    )


def test_config_check_finds_everything_up(machine: Machine) -> None:
    checked = machine.cron("config", "--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    said = checked.stdout.splitlines()
    assert [line.split()[0] for line in said[1:]] == [
        "events",
        "histories",
        "artifacts",
        "ledger",
        "launcher",
        "server",
    ]
    assert all("  ok" in line for line in said[1:]), checked.stdout
    assert "release 1 is live" in checked.stdout
    assert re.search(r"serves .*1", said[-1]), said[-1]


def test_replayed_events_become_a_release(machine: Machine) -> None:
    replayed = machine.command("make", "replay", "SPEED=2000")
    assert replayed.returncode == 0, replayed.stderr
    assert "2,400 accepted, 0 duplicates, 0 rejected" in replayed.stdout
    until(lambda: (machine.live() or 0) >= 2, "release 2", limit_s=LIMIT_S)
    status = machine.command("make", "status")
    assert re.search(r"live +release \d", status.stdout), status.stdout + status.stderr


def test_rollback_holds_until_resume(machine: Machine) -> None:
    rolled_back = machine.command("make", "rollback", "VERSION=1")
    assert rolled_back.returncode == 0, rolled_back.stderr
    assert machine.live() == 1
    answer = _shell(
        machine.here(
            "curl -s http://127.0.0.1:8080/predictions/rec -H 'Content-Type: application/json' "
            '-d \'{"user_seq": [], "k": 1}\''
        )
    )
    assert json.loads(answer)["model_version"] == 1
    assert "held" in machine.command("make", "status").stdout
    assert machine.cron("promote", "2").returncode == 0
    assert machine.live() == 2
    assert machine.command("make", "rollback").returncode == 0
    assert machine.live() == 1
    assert machine.cron("resume").returncode == 0
    runs, releases = machine.cron("runs").stdout, machine.cron("releases").stdout
    assert "published release 1" in runs
    assert "rolled back" in releases or "rec-2-" in releases


def test_a_second_instance_is_refused_with_a_sentence(machine: Machine) -> None:
    second = machine.command(sys.executable, "-m", "deploy.machine.serve")
    assert second.returncode == 1
    assert "is being served already, by process" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_full_disk_costs_no_recommendation_and_passes(machine: Machine) -> None:
    event = {"user_id": "anna", "item_id": "50", "type": "view"}

    def post() -> httpx.Response:
        return httpx.post(f"{machine.gateway}/v1/events", json=event, timeout=60, trust_env=False)

    with machine.full_disk():
        refused = post()
        assert refused.status_code == 503, refused.text
        assert "disk" in refused.text
        for user in ("259", "anna", "nobody"):
            answer = httpx.get(
                f"{machine.gateway}/v1/recommendations/{user}?k=3", timeout=60, trust_env=False
            )
            assert answer.status_code == 200, answer.text
            assert not answer.json().get("fallback"), answer.text
    until(lambda: post().status_code == 202, "events to be taken again", limit_s=LIMIT_S)
    waiting = machine.cron("status", "--json")
    assert waiting.returncode == 0, waiting.stderr
    until(lambda: _num_waiting(machine) == 0, "the worker to collect again", limit_s=LIMIT_S)
    assert "runs again" not in machine.printed_text()
    assert "does not stay up" not in machine.printed_text()


def _ingest_graph(machine: Machine) -> None:
    """Ingest the graph of films as README.md and docs/items.md say, before the first start."""
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    pattern = r"^\$ (\.venv/bin/python -m cron ingest .*demo_graph.*)$"
    (command,) = {*re.findall(pattern, readme, re.M), *re.findall(pattern, ITEMS, re.M)}
    ingested = machine.command(
        "bash", "-c", command.replace(".venv/bin/python", sys.executable), timeout_s=300
    )
    assert "91,631 facts new to the log" in ingested.stdout, ingested.stdout + ingested.stderr


def _num_waiting(machine: Machine) -> object:
    return json.loads(machine.cron("status", "--json").stdout)["waiting"]["in_log"]


def test_other_data_on_the_same_folder_is_refused(machine: Machine, movielens_100k: Path) -> None:
    machine.stop()
    refused = machine.command("make", "serve", f"DATA={movielens_100k}")
    assert refused.returncode != 0
    assert "holds data from" in refused.stderr


def test_the_next_start_serves_the_same_release(machine: Machine) -> None:
    machine.stop()
    printed = machine.start()
    assert "Ingesting" not in printed
    assert re.search(r"ready: release [1-9]", printed)
    assert machine.stop(signal.SIGINT) < 30


def _shell(command: str) -> str:
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=LIMIT_S, check=True
    ).stdout
