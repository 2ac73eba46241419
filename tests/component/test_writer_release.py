"""A writer is packed, signed, loaded, judged and made live; all but TorchServe is real."""

from __future__ import annotations

import zipfile
from pathlib import Path

import msgspec

from copywriter.brief import Brief
from copywriter.templates.template import from_template
from cron.backends.artifacts.folder import open_artifacts
from cron.copy.release_writer import WriterRelease, release_writer
from cron.ledger import writer_rows
from cron.ledger.ledger import open_ledger
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


def test_a_released_writer_is_live_and_signed(tmp_path: Path) -> None:
    """A node that requires signatures loads no other archive."""
    key, store = new_key(), tmp_path / "archives"
    server = TemplateServer(store, tmp_path / "server")
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    model = write_tiny_causal_model(tmp_path / "model")
    verdict = release_writer(
        WriterRelease(
            settings=CopySettings(writer="torchserve:", model=str(model), languages=("en",)),
            ledger=ledger,
            artifacts=open_artifacts(store),
            open_server=lambda: server,
            var=tmp_path / "var",
            signing_key=key,
        )
    )
    assert verdict.is_accepted
    live = writer_rows.live(ledger)
    assert live is not None
    assert (live.version, server.live()) == (1, 1)
    assert live.archive is not None
    with zipfile.ZipFile(store / live.archive) as archive:
        archive.extractall(tmp_path / "unpacked")
    verify_folder(tmp_path / "unpacked", public_key(key))
    assert not list((tmp_path / "var").iterdir()), "the private copy is gone"
    ledger.close()
