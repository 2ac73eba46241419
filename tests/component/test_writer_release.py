"""A writer is packed, signed, loaded, judged and made live; all but TorchServe is real."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from copywriter.brief import Brief
from copywriter.templates.template import from_template
from cron.backends.artifacts.folder import open_artifacts
from cron.copy.release_writer import WriterRelease, release_writer
from cron.ledger import writer_rows
from cron.ledger.ledger import Ledger, open_ledger
from cron.settings.copy_settings import CopySettings
from tests.fakes import FakeServer
from tests.tiny_writer import write_tiny_causal_model
from trainer.signature import new_key, public_key, verify_folder


class _WriterFile(msgspec.Struct):
    digest: str


class TemplateServer(FakeServer):
    """A server whose writer says what the templates say; a tiny model would be refused."""

    def predict(self, version: int | None, body: object, *, timeout_s: float) -> object:
        """Answer as the handler does."""
        assert isinstance(body, dict)
        briefs = [msgspec.convert(one, Brief) for one in body["briefs"]]
        texts = [from_template(one) for one in briefs]
        return {"texts": texts, "prompt_tokens": 0, "output_tokens": 0, "writer": self._digest()}

    def _digest(self) -> str:
        """Return the digest of the writer in the only archive."""
        (mar,) = self._store.glob("*.mar")
        with zipfile.ZipFile(mar) as archive:
            return msgspec.json.decode(archive.read("bundle/writer.json"), type=_WriterFile).digest


class InterruptedServer(TemplateServer):
    """A server that waits for its first texts when somebody presses Ctrl-C."""

    def predict(self, version: int | None, body: object, *, timeout_s: float) -> object:
        """Never answer."""
        raise KeyboardInterrupt


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield opened
    opened.close()


def release_parts(tmp_path: Path, ledger: Ledger, server: FakeServer) -> WriterRelease:
    """Return what releases a tiny writer, whose archives are in `tmp_path/archives`."""
    model = write_tiny_causal_model(tmp_path / "model")
    return WriterRelease(
        settings=CopySettings(writer="torchserve:", model=str(model), languages=("en",)),
        ledger=ledger,
        artifacts=open_artifacts(tmp_path / "archives"),
        open_server=lambda: server,
        var=tmp_path / "var",
    )


def test_a_release_that_is_interrupted_leaves_nothing(tmp_path: Path, ledger: Ledger) -> None:
    server = InterruptedServer(tmp_path / "archives", tmp_path / "server")
    with pytest.raises(KeyboardInterrupt):
        release_writer(release_parts(tmp_path, ledger, server))
    assert not list((tmp_path / "archives").glob("**/*.mar"))
    assert writer_rows.live(ledger) is None


def test_a_released_writer_is_live_and_signed(tmp_path: Path, ledger: Ledger) -> None:
    """A node that requires signatures loads no other archive."""
    key, store = new_key(), tmp_path / "archives"
    server = TemplateServer(store, tmp_path / "server")
    parts = release_parts(tmp_path, ledger, server)
    verdict = release_writer(replace(parts, signing_key=key))
    assert verdict.is_accepted
    live = writer_rows.live(ledger)
    assert live is not None
    assert (live.version, server.live()) == (1, 1)
    assert live.archive is not None
    with zipfile.ZipFile(store / live.archive) as archive:
        archive.extractall(tmp_path / "unpacked")
    verify_folder(tmp_path / "unpacked", public_key(key))
    assert not list((tmp_path / "var").iterdir()), "the private copy is gone"
