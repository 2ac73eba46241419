"""The command line on real back ends: what it prints, stores and does not load."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cron import wiring
from cron.__main__ import main
from cron.journal.dead_letters import DeadLetters
from cron.ledger import holds, metric_rows
from cron.ports import START
from cron.settings.tree import Settings
from cron.urls import files
from cron.verbs import replay
from recommender.events import Event, Item
from sources.formats import open_source
from tests.component import story
from tests.component.gateway_process import gateway, settings_in

NUM_RATINGS = 10


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings in a folder, in force for the command line."""
    settings = settings_in(tmp_path, inference_port=9)
    for name in ("events", "histories", "artifacts", "ledger", "server", "var"):
        monkeypatch.setenv(f"FRESHET__STORE__{name.upper()}", getattr(settings.store, name))
    return settings


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a small data set: hourly ratings, newest first, one of them broken, two films."""
    folder = tmp_path / "ml"
    folder.mkdir()
    rows = [
        f"{1 + number % 2},{1 + number % 2},4.0,{1_000_000_000 + 3600 * number}"
        for number in range(NUM_RATINGS)
    ]
    (folder / "ratings.csv").write_text(
        "\n".join(["userId,movieId,rating,timestamp", *reversed(rows), "1,1,good,1000000000"])
        + "\n"
    )
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n1,Toy Story (1995),Comedy\n2,Heat (1995),Action|Crime\n"
    )
    return folder


def ledger_file(settings: Settings) -> Path:
    return files.parse(settings.store.ledger).path


def logged_records(settings: Settings) -> list[Event]:
    records = wiring.open_log(settings.store.events).read(START, 1000).records
    return [record for record in records if isinstance(record, Event)]


def test_ingesting_twice_counts_once(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(data)]) == 0
    assert (
        f"{NUM_RATINGS} events and 2 items new to the log, 0 duplicates, 1 rejected"
        in capsys.readouterr().out
    )
    assert main(["ingest", str(data)]) == 0
    assert (
        f"0 events and 0 items new to the log, {NUM_RATINGS + 2} duplicates, 1 rejected"
        in capsys.readouterr().out
    )
    records = wiring.open_log(settings.store.events).read(START, 1000).records
    assert len(records) == NUM_RATINGS + 2
    assert [record.title for record in records if isinstance(record, Item)] == [
        "Toy Story (1995)",
        "Heat (1995)",
    ]
    assert [event.at for event in logged_records(settings)] == [
        datetime.fromtimestamp(1_000_000_000 + 3600 * n, UTC) for n in range(NUM_RATINGS)
    ]
    letters = DeadLetters(Path(settings.store.var) / "dead-letters.jsonl").newest(10)
    assert "good" in letters[0].raw
    assert "ratings.csv, line 12" in letters[0].source


def test_parts_meet_without_gap_or_overlap_and_bring_all_items(
    settings: Settings, data: Path
) -> None:
    assert main(["ingest", str(data), "--part", "0:0.55"]) == 0
    first = len(logged_records(settings))
    assert main(["ingest", str(data), "--part", "0.55:1"]) == 0
    assert 0 < first < NUM_RATINGS
    assert len(logged_records(settings)) == NUM_RATINGS


def test_a_shift_ends_now_keeps_the_gaps_and_is_the_same_again(
    settings: Settings, data: Path
) -> None:
    assert main(["ingest", str(data), "--part", "0:0.5", "--shift-to-now"]) == 0
    before = logged_records(settings)
    assert datetime.now(UTC) - before[-1].at < timedelta(minutes=5)
    assert {later.at - sooner.at for sooner, later in pairwise(before)} == {timedelta(hours=1)}
    files.parse(settings.store.events).path.rename(
        Path(settings.store.var) / "gone.db"
    )  # as if it had died before storing
    assert main(["ingest", str(data), "--part", "0:0.5", "--shift-to-now"]) == 0
    assert logged_records(settings) == before


def test_of_a_longer_export_only_what_is_new_counts(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(data)]) == 0
    before = logged_records(settings)
    file = data / "ratings.csv"
    file.write_bytes(
        file.read_bytes().replace(b"\n", b"\r\n")
        + f"2,2,3,{1_000_000_000 + 3600 * NUM_RATINGS}\r\n2,1,5,1000000000\r\n".encode()
    )
    capsys.readouterr()
    assert main(["ingest", str(data), "--shift-to-now", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["events"], said["duplicates"]) == (2, NUM_RATINGS + 2), (
        "a shift does not change an id, and the films are the same file"
    )
    assert logged_records(settings)[:NUM_RATINGS] == before


def test_a_dry_run_says_as_json_what_it_would_do(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (data / "ratings.csv").open("a") as file:
        file.write("1,1,many,1000000000\n1,1,more,1000000000\n")
    assert main(["ingest", str(data), "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == {
        "format",
        "events",
        "items",
        "users",
        "types",
        "duplicates",
        "rejected",
        "first_at",
        "last_at",
        "warnings",
    }
    assert (said["rejected"], said["warnings"]) == ({"rating: expected a number": 3}, [])
    assert said["events"] == len(open_source(data).events)


def test_a_time_in_milliseconds_is_refused_and_moves_nothing(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (data / "ratings.csv").open("a") as file:
        file.write("9,1,3,1000000000000\n9,1,3,1000000001000\n1,1,3,-5\n")
    assert main(["ingest", str(data), "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said["rejected"].values()) == [2, 1, 1], "equal faults are one, whatever was found"
    assert said["users"] == 2, "nobody without a good event"
    assert (said["first_at"], said["last_at"]) == (
        "2001-09-09T01:46:40+00:00",
        "2001-09-09T10:46:40+00:00",
    )
    assert main(["ingest", str(data), "--shift-to-now"]) == 0
    assert datetime.now(UTC) - logged_records(settings)[-1].at < timedelta(minutes=5)
    letters = DeadLetters(Path(settings.store.var) / "dead-letters.jsonl").newest(3)
    assert sorted(letter.source[-2:] for letter in letters) == ["13", "14", "15"], (
        "the lines of the file"
    )


@pytest.mark.parametrize("more", [[], ["--dry-run", "--json"], ["--shift-to-now"]])
def test_a_file_without_a_good_time_is_refused(
    more: list[str], settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,3,1000000000000\n1,1,3,1000000001000\n"
    )
    assert main(["ingest", str(data), *more]) == 1
    said = capsys.readouterr()
    place, found = "ratings.csv, line 2, column timestamp", "found 1000000000000.0"
    assert f"{place}: {found}, expected ISO 8601 or epoch seconds (milliseconds?" in said.err
    assert ("none of 2 events is valid" in said.err, said.out, logged_records(settings)) == (
        True,
        "",
        [],
    )


def test_a_table_needs_its_columns_named(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "clicks.tsv"
    table.write_text("who\twhat\twhen\nann\tshoe\t2026-01-01T10:00:00Z\nbob\that\t2026-01-02\n")
    assert main(["ingest", str(table), "--user", "who", "--item", "what"]) == 1
    assert "a table also needs --at: the column with the time" in capsys.readouterr().err
    assert main(["ingest", str(table), "--user", "who", "--item", "what", "--at", "when"]) == 0
    assert "2 events and 0 items new to the log" in capsys.readouterr().out


def test_a_dry_run_stores_nothing(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(data), "--dry-run", "--shift-to-now"]) == 0
    assert "would ingest MovieLens" in capsys.readouterr().out
    assert logged_records(settings) == []
    assert not Path(settings.store.var).exists()


def test_replay_sends_the_rest_in_order_as_of_now(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(data), "--part", "0:0.5"]) == 0
    (Path(settings.store.var) / "demo.json").write_text(
        json.dumps({"path": str(data), "part": "0:0.5"})
    )
    known = {event.event_id for event in logged_records(settings)}
    with gateway(settings) as client:
        assert main(["replay", "--speed", "1e6", "--url", str(client.base_url)]) == 0
        assert "5 accepted, 0 duplicates, 0 rejected" in capsys.readouterr().out
        assert main(["replay", "--speed", "1e6", "--url", str(client.base_url)]) == 0
        assert "0 accepted, 5 duplicates, 0 rejected" in capsys.readouterr().out
    sent = [event for event in logged_records(settings) if event.event_id not in known]
    assert [event.event_id for event in sent] == [
        raw["event_id"] for raw in open_source(data).events.between(5, 10)
    ]
    assert sent == sorted(sent, key=lambda event: event.event_id), (
        "so that those of one call keep their order in time"
    )
    assert [event.at for event in sent] == sorted(event.at for event in sent)
    assert datetime.now(UTC) - sent[0].at < timedelta(minutes=5)


@pytest.mark.parametrize("note", ["{", "[]", '{"path": "d"}', '{"path": "d", "part": "all"}'])
def test_a_damaged_note_of_the_first_data_is_named(
    settings: Settings, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(settings.store.var) / "demo.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(note)
    assert main(["replay"]) != 0
    assert f"{file} is damaged; delete it and name the data" in capsys.readouterr().err


def test_replay_can_keep_the_times_of_the_file(settings: Settings, data: Path) -> None:
    with gateway(settings) as client:
        assert (
            main(
                [
                    "replay",
                    str(data),
                    "--keep-time",
                    "--speed",
                    "1e6",
                    "--url",
                    str(client.base_url),
                ]
            )
            == 0
        )
    assert logged_records(settings)[0].at == datetime.fromtimestamp(1_000_000_000, UTC)


def test_replay_waits_for_the_gateway_and_resends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "TRY_AGAIN_S", 0.01)
    batch = [{"event_id": "e1", "user_id": "ann", "item_id": "1", "type": "view"}]
    with gateway(settings) as client:
        url, port = str(client.base_url), client.base_url.port
    assert port is not None
    said: list[str] = []
    started = []

    def say(text: str) -> None:
        said.append(text)
        started.append(gateway(settings, port=port))
        started[0].__enter__()

    with replay.Sender(url, None) as sender:
        sender.send(batch, say=say)
    started[0].__exit__(None, None, None)
    assert len(said) == 1
    assert "does not answer" in said[0]
    assert sender.sent.accepted == 1
    assert [event.event_id for event in logged_records(settings)] == ["e1"]


def test_replay_gives_up_on_a_gateway_that_stays_away(
    settings: Settings,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(replay, "TRY_AGAIN_S", 0.01)
    monkeypatch.setattr(replay, "GIVE_UP_S", 0.05)
    assert main(["replay", str(data), "--url", "http://127.0.0.1:9"]) == 1
    assert "is it running?" in capsys.readouterr().err


def test_replay_without_data_says_what_to_name(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay"]) == 1
    assert "python -m cron replay PATH" in capsys.readouterr().err


def test_the_pace_is_kept_and_lost_time_is_not_made_up() -> None:
    clock = story.Clock()
    slept: list[float] = []

    def now() -> float:
        return clock().timestamp()

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        clock.move(seconds / 60)

    events: list[replay.RawEvent] = [{"event_id": str(number)} for number in range(40)]
    sizes = []
    for batch in replay.even_batches(events, 200.0, clock=now, sleep=sleep):
        sizes.append(len(batch))
        if len(sizes) == 2:
            clock.move(1)  # the gateway was away for a minute
    assert sizes == [10, 10, 10, 10]
    assert slept == [0.0, 0.05, 0.0, 0.0]


def test_reading_verbs_tell_the_story(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    story.tell(ledger_file(settings)).close()
    assert main(["status"]) == 0
    status = capsys.readouterr().out
    assert "release 3 (update of 2)" in status
    assert "2 of the latest 3 updates accepted" in status
    assert "0.087" in status  # the live model on the newest new events
    assert main(["runs"]) == 0
    runs = capsys.readouterr().out
    assert f"✗ {story.NOT_ACCEPTED}" in runs
    assert "✗ not enough new events: 40 of 500" in runs
    assert main(["releases"]) == 0
    releases = capsys.readouterr().out.splitlines()
    assert releases[1].split()[:4] == ["3", "update", "2", "3001–4000"]
    assert releases[1].endswith("live")
    for verb, first in (("runs", "run_id"), ("releases", "version"), ("config", "store.events")):
        assert main([verb, "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert first in (shown if isinstance(shown, dict) else shown[0])
    assert main(["status", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["live"]["version"], shown["updates"]) == (3, {"judged": 3, "accepted": 2})


def test_a_pause_is_shown_and_resume_ends_it(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pause", "--reason", "a holiday"]) == 0
    assert main(["status"]) == 0
    assert "held     a holiday" in capsys.readouterr().out
    assert main(["resume", "--exclude", "5-9", "--exclude", "8-12"]) == 0
    assert "5–12" in capsys.readouterr().out
    ledger = wiring.open_ledger(settings.store.ledger)
    assert holds.current(ledger) is None
    assert holds.excluded_ranges(ledger) == ((5, 12),)


def test_a_rollback_that_cannot_be_is_one_sentence(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    story.tell(ledger_file(settings)).close()
    assert main(["rollback", "17"]) == 1
    assert capsys.readouterr().err == "no release has version 17; existing versions: 0, 1, 2, 3\n"
    assert main(["rollback"]) == 1
    error = capsys.readouterr().err
    assert "does not answer" in error
    assert error.count("\n") == 1
    assert holds.current(wiring.open_ledger(settings.store.ledger)) is not None


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "",
        "resume --exclude 9-5",
        "ingest",
        "ingest x --part 1:0",
        "replay --speed 0",
        "replay --speed fast",
        "promote x",
    ],
)
def test_wrong_use_is_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line.split())
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_wrong_settings_are_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRESHET__GATEWAY__PORT", "70000")
    assert main(["config", "--check"]) == 2
    assert "gateway.port = 70000" in capsys.readouterr().err


def test_data_that_is_not_there_is_1(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", "/nowhere"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_config_hides_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRESHET__GATEWAY__API_KEY", "secret-key")
    assert main(["config"]) == 0
    assert main(["config", "--json"]) == 0
    shown = capsys.readouterr().out
    assert "secret-key" not in shown
    assert "***" in shown
    assert "environment FRESHET__GATEWAY__API_KEY" in shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://freshet:s3cr3t@127.0.0.1:9/x",
        "postgresql://freshet@127.0.0.1:9/x?password=s3cr3t",
    ],
)
def test_config_hides_a_password_wherever_it_stands(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRESHET__STORE__LEDGER", url)
    monkeypatch.setenv(
        "FRESHET__STORE__SERVER", "torchserve://127.0.0.1:9/rec"
    )  # not what this machine may be serving
    for words in (
        ["config"],
        ["config", "--json"],
        ["config", "--check"],
        ["config", "--check", "--json"],
    ):
        main(words)
    said = capsys.readouterr()
    assert "s3cr3t" not in said.out + said.err
    assert "postgresql://freshet" in said.out


def test_config_check_reports_every_service(
    settings: Settings, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", str(data)]) == 0
    capsys.readouterr()
    assert main(["config", "--check"]) == 1, "nobody listens on the server's port"
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert list(said) == [
        "settings",
        "events",
        "histories",
        "artifacts",
        "ledger",
        "launcher",
        "server",
    ]
    assert said["events"] == f"{settings.store.events}  ok, {NUM_RATINGS + 2} waiting"
    assert said["histories"].endswith("ok, no record followed yet, 0 hidden items")
    assert said["ledger"].endswith("ok, nothing live yet")
    assert "does not answer" in said["server"]


def test_config_check_goes_on_after_a_part_that_fails(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("FRESHET__STORE__LEDGER", f"sqlite:///{tmp_path}/a-file/ledger.db")
    assert main(["config", "--check", "--json"]) == 1
    looks = json.loads(capsys.readouterr().out)
    assert {one["part"]: one["ok"] for one in looks} == {
        "events": True,
        "histories": True,
        "artifacts": True,
        "ledger": False,
        "launcher": True,
        "server": False,
    }


def test_quick_verbs_load_nothing_heavy(settings: Settings) -> None:
    story.tell(ledger_file(settings)).close()
    heavy = ("torch", "transformers", "numpy", "pandas", "pyarrow", "fastapi", "apscheduler")
    verbs = ("status", "releases", "runs", "rollback", "pause", "resume", "config")
    code = f"""
import sys
from cron.__main__ import main
for verb in {verbs!r}:
    main([verb])
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_status_names_the_nodes_that_are_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRESHET__STORE__SERVER", "torchserve://a:8081,b:8081/rec")
    ledger = story.tell(ledger_file(settings))
    assert main(["status"]) == 0
    assert "away" not in capsys.readouterr().out
    metric_rows.set_gauge(ledger, "node_2_away", 1.0)
    assert main(["status"]) == 0
    assert "away     b:8081 of 2 TorchServe nodes" in capsys.readouterr().out
    ledger.close()
