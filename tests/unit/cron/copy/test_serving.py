"""The live writer on TorchServe: a rollback loads it; another archive is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from cron.backends.artifacts.folder import open_artifacts
from cron.copy.served_writer import ServedWriter
from cron.copy.serving import WriterRollback, roll_back_and_load
from cron.copy_errors import WriterRefused
from cron.ledger import writer_rows
from cron.ledger.ledger import Ledger, open_ledger
from cron.ports import ModelServer
from tests.fakes import FakeServer
from tests.film_briefs import film_brief
from tests.unit.cron.copy.archives import write_archive


@pytest.fixture
def server(tmp_path: Path) -> FakeServer:
    return FakeServer(tmp_path / "archives", tmp_path / "server")


@pytest.fixture
def ledger(tmp_path: Path, server: FakeServer) -> Iterator[Ledger]:
    """Return a ledger with two released writers; the server has the second."""
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    artifacts = open_artifacts(tmp_path / "archives")
    for version in (1, 2):
        mar = write_archive(tmp_path, version)
        artifacts.put(mar.name, mar)
        writer_rows.add(opened, f"w{version}", name="tiny", version=version, archive=mar.name)
        writer_rows.set_live(opened, f"w{version}")
    server.register(2, artifacts.url("copy-2.mar"))
    yield opened
    opened.close()


def roll_back(ledger: Ledger, server: FakeServer, tmp_path: Path) -> WriterRollback:
    return roll_back_and_load(ledger, lambda: server, open_artifacts(tmp_path / "archives"))


def test_a_rollback_loads_the_writer_before_at_once(
    ledger: Ledger, server: FakeServer, tmp_path: Path
) -> None:
    """The worker's next turn may be minutes away, behind a long call of the other writer."""
    done = roll_back(ledger, server, tmp_path)
    assert done.live is not None
    assert (done.live.digest, done.not_loaded) == ("w1", None)
    assert (server.live(), [one.version for one in server.versions()]) == (1, [1])


def test_a_rollback_needs_no_server(ledger: Ledger, server: FakeServer, tmp_path: Path) -> None:
    server.is_down = True
    done = roll_back(ledger, server, tmp_path)
    assert done.not_loaded is not None
    live = writer_rows.live(ledger)
    assert live is not None
    assert live.digest == "w1"


def test_back_to_templates_needs_no_server(
    ledger: Ledger, server: FakeServer, tmp_path: Path
) -> None:
    roll_back(ledger, server, tmp_path)
    server.is_down = True
    assert roll_back(ledger, server, tmp_path) == WriterRollback(live=None)


def test_back_to_templates_leaves_no_writer_in_memory(
    ledger: Ledger, server: FakeServer, tmp_path: Path
) -> None:
    roll_back(ledger, server, tmp_path)
    assert [one.version for one in server.versions()] == [1]
    assert roll_back(ledger, server, tmp_path).live is None
    assert server.versions() == ()


def test_a_call_takes_no_longer_than_its_deadline() -> None:
    asked: list[tuple[float, float]] = []

    class SlowArchive:
        def predict(self, version: int, body: Mapping[str, object], *, timeout_s: float) -> object:
            asked.append((cast(float, body["within_s"]), timeout_s))
            return {"texts": ["See it."], "prompt_tokens": 1, "output_tokens": 1, "writer": "w"}

    served = ServedWriter(cast(ModelServer, SlowArchive()), version=1, digest="w")
    served.write([film_brief()], seed=0, within_s=5.0)
    assert asked == [(4.5, 5.0)]  # the rest is for the way


def test_texts_of_another_writer_are_refused() -> None:
    """They would be stored under a digest that is not theirs."""

    class OtherArchive:
        def predict(self, version: int, body: Mapping[str, object], *, timeout_s: float) -> object:
            return {"texts": ["See it."], "prompt_tokens": 1, "output_tokens": 1, "writer": "other"}

    served = ServedWriter(cast(ModelServer, OtherArchive()), version=1, digest="expected")
    with pytest.raises(WriterRefused, match="has the writer other"):
        served.write([film_brief()], seed=0, within_s=1.0)
