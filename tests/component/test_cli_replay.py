"""`replay` to a real gateway: order, times, pace, and a gateway that is away."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cron.__main__ import main
from cron.errors import Unavailable
from cron.settings.tree import GatewaySettings, Settings
from cron.verbs import replay
from cron.verbs.gateway_calls import WHILE_DOWN, GatewayCalls
from cron.verbs.pace import even_batches
from sources.formats import open_source
from tests.component import story
from tests.component.command_line import logged_records
from tests.component.gateway_process import gateway
from tests.ports import free_port
from trainer.machine.retries import RetryPolicy


def calls_of(url: str, *, say: Callable[[str], object], while_down: RetryPolicy) -> GatewayCalls:
    return GatewayCalls("/v1/events", url, GatewaySettings(), say=say, while_down=while_down)


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


def test_replay_waits_for_the_gateway_and_resends(settings: Settings) -> None:
    batch = [{"event_id": "e1", "user_id": "ann", "item_id": "1", "type": "view"}]
    port = free_port()  # which no connection gets while the gateway is away
    with gateway(settings, port=port) as client:
        url = str(client.base_url)
    said: list[str] = []
    started = []

    def say(text: str) -> None:
        said.append(text)
        started.append(gateway(settings, port=port))
        started[0].__enter__()

    while_down = replace(WHILE_DOWN, first_pause_s=0.01)
    with calls_of(url, say=say, while_down=while_down) as calls:
        sender = replay.Sender(calls)
        sender.send(batch)
    started[0].__exit__(None, None, None)
    assert len(said) == 1
    assert "does not answer" in said[0]
    assert sender.sent.accepted == 1
    assert [event.event_id for event in logged_records(settings)] == ["e1"]


def test_replay_gives_up_on_a_gateway_that_stays_away() -> None:
    said: list[str] = []
    while_down = replace(WHILE_DOWN, first_pause_s=0.01, limit_s=0.05)
    with calls_of("http://127.0.0.1:9", say=said.append, while_down=while_down) as calls:
        sender = replay.Sender(calls)
        with pytest.raises(Unavailable, match="does not answer"):
            sender.send([{"event_id": "e1"}])
    assert len(said) == 1
    assert sender.sent == replay.Sent()


def test_replay_without_data_says_what_to_name(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay"]) == 1
    assert "python -m cron replay PATH" in capsys.readouterr().err


def test_the_pace_is_kept_and_lost_time_is_not_made_up() -> None:
    clock = story.StoryClock()
    slept: list[float] = []

    def now() -> float:
        return clock().timestamp()

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        clock.move(seconds / 60)

    events: list[replay.RawEvent] = [{"event_id": str(number)} for number in range(40)]
    sizes = []
    for batch in even_batches(events, 200.0, max_batch=5_000, clock=now, sleep=sleep):
        sizes.append(len(batch))
        if len(sizes) == 2:
            clock.move(1)  # the gateway was away for a minute
    assert sizes == [10, 10, 10, 10]
    assert slept == [0.0, 0.05, 0.0, 0.0]
