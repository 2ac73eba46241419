"""Release a writer: make its archive, load it beside the live one, judge it, make it live.

A remote writer has no archive; it is judged in the same way. A writer that is refused leaves
nothing behind, and the live one stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from copywriter.writing.writer import CopyWriter
from cron.copy.live_writer import prompts_folder, remote_writer
from cron.copy.panel import panel
from cron.copy.served_writer import ServedWriter
from cron.copy.serving import unload
from cron.copy.writer_gate import WriterScores, WriterVerdict, judge
from cron.copy_errors import WriterNotAccepted
from cron.errors import FreshetError, SettingsError
from cron.ledger import writer_rows
from cron.ledger.ledger import Ledger
from cron.local.child_environment import MODEL, SYSTEM, only
from cron.ports import ArtifactStore, ModelServer
from cron.project_root import PROJECT_ROOT
from cron.settings.copy_settings import CopySettings
from cron.urls.writers import RemoteWriterUrl, parse_writer
from trainer.archive import COPY, pack

KEPT_ARCHIVES = 3  # the live writer's and two to roll back to


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterRelease:
    """What a release needs: the settings, the stores, and a folder for what it makes.

    The archive is signed if there is a key (PEM).
    """

    settings: CopySettings
    ledger: Ledger
    artifacts: ArtifactStore
    open_server: Callable[[], ModelServer]
    var: Path
    signing_key: str | None = None


def release_writer(parts: WriterRelease) -> WriterVerdict:
    """Release the writer that the settings name.

    Raise SettingsError without one, WriterNotAccepted when it is refused, and what servers raise.
    """
    if parts.settings.writer is None:
        raise SettingsError(
            "copy.writer is not set, so templates write all texts; name a writer (docs/copy.md), "
            "then release it again"
        )
    url = parse_writer(parts.settings.writer)
    if isinstance(url, RemoteWriterUrl):
        writer = remote_writer(parts.settings, url, os.environ)
        verdict = _judge(parts, writer, name=url.model)
        before = writer_rows.live(parts.ledger)
        _make_live(parts, writer.digest, url.model, verdict)
        if before is not None and before.version is not None:
            unload(before.version, None, parts.open_server)
        return verdict
    return _release_served(parts)


def _release_served(parts: WriterRelease) -> WriterVerdict:
    server = parts.open_server()
    version = _free_version(parts.ledger, server)
    parts.var.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parts.var, prefix=".writer-") as private:
        digest = _make_bundle(parts.settings, Path(private) / "bundle")
        mar = pack(
            bundle=Path(private) / "bundle",
            version=version,
            out=Path(private),
            signing_key=parts.signing_key,
            kind=COPY,
        )
        parts.artifacts.put(mar.name, mar)
    try:
        server.register(version, parts.artifacts.url(mar.name))
        writer = ServedWriter(server, version=version, digest=digest)
        verdict = _judge(parts, writer, name=parts.settings.model)
        server.set_live(version)
    except BaseException:  # Ctrl-C too
        with suppress(FreshetError):
            server.unregister(version)
        with suppress(FreshetError):  # why the writer ended matters more
            parts.artifacts.delete(mar.name)
        raise
    _make_live(parts, digest, parts.settings.model, verdict, version=version, archive=mar.name)
    _tidy(parts, server)
    return verdict


def _free_version(ledger: Ledger, server: ModelServer) -> int:
    """Return a version that no node has, after unloading what ended releases left behind."""
    known = {one.version for one in writer_rows.every(ledger)}
    left_behind = [one.version for one in server.versions() if one.version not in known]
    for version in left_behind:
        with suppress(FreshetError):  # the default stays until another one is
            server.unregister(version)
    return max([writer_rows.next_version(ledger) - 1, *left_behind]) + 1


def _make_bundle(settings: CopySettings, out: Path) -> str:
    """Make the bundle in a process of its own, and return the writer's digest."""
    command = [sys.executable, "-m", "copywriter", "--model", settings.model, "--out", str(out)]
    command += ["--temperature", str(settings.temperature)]
    folder = prompts_folder(settings)
    command += ["--prompts", str(folder)] if folder is not None else []
    command += [] if settings.pack else ["--by-name"]
    done = subprocess.run(
        command,
        env=only(os.environ, SYSTEM, MODEL),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        why = done.stderr.strip().splitlines()[-1:] or ["it ended without a reason"]
        raise WriterNotAccepted(settings.model, why=why[0])
    return done.stdout.split()[-1]


def _judge(parts: WriterRelease, writer: CopyWriter, *, name: str) -> WriterVerdict:
    """Return the verdict of the gate; raise WriterNotAccepted when it refuses."""
    live = writer_rows.live(parts.ledger)
    verdict = judge(
        writer,
        panel(parts.settings.languages, max_chars=parts.settings.max_chars),
        least_precision=parts.settings.min_precision,
        live=None if live is None or live.verdict is None else _scores(live.verdict),
    )
    if not verdict.is_accepted:
        raise WriterNotAccepted(name, why=verdict.why)
    return verdict


def _make_live(
    parts: WriterRelease,
    digest: str,
    name: str,
    verdict: WriterVerdict,
    *,
    version: int | None = None,
    archive: str | None = None,
) -> None:
    text = msgspec.json.encode(verdict).decode()
    writer_rows.add(parts.ledger, digest, name=name, version=version, archive=archive, verdict=text)
    writer_rows.set_live(parts.ledger, digest)


def _scores(verdict: str) -> WriterScores:
    return msgspec.json.decode(verdict, type=WriterVerdict).scores


def _tidy(parts: WriterRelease, server: ModelServer) -> None:
    """Unload all versions but the live one, and delete archives beyond those that are kept."""
    known = writer_rows.every(parts.ledger)
    served = sorted(one.version for one in known if one.version is not None)
    for version in served[:-1]:
        with suppress(FreshetError):
            server.unregister(version)
    old = {*served[:-KEPT_ARCHIVES]}
    for one in known:
        if one.version in old and one.archive is not None:
            parts.artifacts.delete(one.archive)
            writer_rows.forget_archive(parts.ledger, one.digest)
