"""Releases of remote writers, against a real HTTP server; and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from copywriter.templates.template import from_template
from copywriter.writing.prompts import load_prompts
from cron.backends.artifacts.folder import open_artifacts
from cron.copy.live_writer import awaits_release, live_writer
from cron.copy.panel import panel
from cron.copy.release_writer import WriterRelease, release_writer
from cron.copy.serving import roll_back
from cron.copy_errors import NoLiveWriter, WriterNotAccepted
from cron.errors import SettingsError
from cron.ledger import writer_rows
from cron.ledger.ledger import open_ledger
from cron.ports import ModelServer
from cron.settings.copy_settings import CopySettings
from tests.fakes import FakeServer
from tests.unit.cron.copy.archives import write_archive
from tests.unit.cron.copy.chat_server import ChatServer, Reply, chat_server, completion


def no_server() -> ModelServer:
    raise AssertionError("a remote writer needs no TorchServe")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A server of chat completions and what a release needs."""

    server: ChatServer
    parts: WriterRelease

    def release(self, **changes: object) -> str:
        """Release with changed settings; return why it is accepted."""
        settings = replace(self.parts.settings, **changes)  # type: ignore[arg-type]
        return release_writer(replace(self.parts, settings=settings)).why

    def live(self, **changes: object) -> bool:
        """Return whether the worker has a writer to write with."""
        settings = replace(self.parts.settings, **changes)  # type: ignore[arg-type]
        return live_writer(settings, self.parts.ledger, no_server) is not None


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Return a house whose server says what the templates say."""
    briefs = panel(("en",), max_chars=120)
    answers = {load_prompts().prompt(one).question: from_template(one) for one in briefs}
    with chat_server() as server:

        def reply(number: int) -> Reply:
            messages = server.requests[number - 1][1]["messages"]
            assert isinstance(messages, list)
            return 200, completion(answers[messages[-1]["content"]])

        server.reply = reply
        ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
        parts = WriterRelease(
            settings=CopySettings(writer=f"{server.root}?model=m", languages=("en",), at_once=1),
            ledger=ledger,
            artifacts=open_artifacts(tmp_path / "archives"),
            open_server=no_server,
            var=tmp_path / "var",
        )
        yield House(server=server, parts=parts)
        ledger.close()


def test_an_accepted_writer_is_live(house: House) -> None:
    assert not house.live()
    assert "accepts" in house.release()
    live = writer_rows.live(house.parts.ledger)
    assert live is not None
    assert (live.name, live.version) == ("m", None)
    assert house.live()
    assert not house.live(writer=None)


def test_changed_settings_are_another_writer(house: House) -> None:
    """Its texts would be stored under a digest that is not theirs."""
    house.release()
    assert not house.live(temperature=0.9)
    assert not awaits_release(house.parts.settings, house.parts.ledger)
    assert awaits_release(replace(house.parts.settings, temperature=0.9), house.parts.ledger)
    assert awaits_release(replace(house.parts.settings, writer="torchserve:"), house.parts.ledger)


def test_a_writer_that_lies_is_refused(house: House) -> None:
    house.server.reply = lambda number: (200, completion("It won 11 Oscars in 1998."))
    with pytest.raises(WriterNotAccepted, match="accepts 0%"):
        house.release()
    assert writer_rows.every(house.parts.ledger) == ()
    assert not house.live()


def test_a_rollback_shows_the_writer_before(house: House) -> None:
    house.release()
    house.release(temperature=0.9)
    assert house.live(temperature=0.9)
    assert roll_back(house.parts.ledger) is not None
    assert house.live()
    assert roll_back(house.parts.ledger) is None  # templates alone
    assert not house.live()
    with pytest.raises(NoLiveWriter):
        roll_back(house.parts.ledger)


def test_without_a_writer_in_the_settings_none_is_released(house: House) -> None:
    with pytest.raises(SettingsError, match=r"copy\.writer"):
        house.release(writer=None)


def test_a_remote_writer_takes_the_place_of_a_served_one(house: House, tmp_path: Path) -> None:
    """The served one would keep its memory until TorchServe is started again."""
    server = FakeServer(tmp_path / "archives", tmp_path / "server")
    mar = write_archive(tmp_path, 1)
    house.parts.artifacts.put(mar.name, mar)
    writer_rows.add(house.parts.ledger, "w1", name="tiny", version=1, archive=mar.name)
    writer_rows.set_live(house.parts.ledger, "w1")
    server.register(1, house.parts.artifacts.url(mar.name))
    release_writer(replace(house.parts, open_server=lambda: server))
    assert server.versions() == ()
