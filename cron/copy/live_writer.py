"""The writer that the settings name, if it is live: what the job and the gateway write with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from copywriter.verifier.rules_digest import rules_digest
from copywriter.writing.prompts import Prompts, load_prompts
from copywriter.writing.writer import CopyWriter, WriterError
from cron.copy.remote_writer import RemoteOptions, RemoteWriter
from cron.copy.served_writer import ServedWriter
from cron.errors import SettingsError
from cron.ledger import writer_rows
from cron.ledger.ledger import Ledger
from cron.ports import ModelServer
from cron.project_root import PROJECT_ROOT
from cron.settings.copy_settings import CopySettings
from cron.settings.secret_variables import check_secret
from cron.urls.writers import RemoteWriterUrl, parse_writer

KEY = "FRESHET_COPY_KEY"


def live_writer(
    settings: CopySettings, ledger: Ledger, open_server: Callable[[], ModelServer]
) -> CopyWriter | None:
    """Return the live writer; None without one, or when the settings name another.

    A remote writer whose prompts or rules have changed is another one, which `copy release` makes
    live.
    Raise SettingsError.
    """
    if settings.writer is None:
        return None
    known = writer_rows.live(ledger)
    if known is None:
        return None
    url = parse_writer(settings.writer)
    if isinstance(url, RemoteWriterUrl):
        remote = remote_writer(settings, url, os.environ)
        return remote if remote.digest == known.digest else None
    if known.version is None:
        return None
    return ServedWriter(open_server(), version=known.version, digest=known.digest)


def awaits_release(settings: CopySettings, ledger: Ledger) -> bool:
    """Return whether the settings name another writer than the live one, so that none writes.

    For a remote writer that is so after a change of its URL, of the prompts, or of the rules with a
    new release of Freshet.
    """
    known = writer_rows.live(ledger)
    if settings.writer is None or known is None:
        return False
    url = parse_writer(settings.writer)
    if not isinstance(url, RemoteWriterUrl):
        return known.version is None
    try:
        return remote_writer(settings, url, {}).digest != known.digest
    except SettingsError:  # the prompts can't be read: the worker says why
        return True


def remote_writer(
    settings: CopySettings, url: RemoteWriterUrl, environment: Mapping[str, str]
) -> RemoteWriter:
    """Return the writer of a URL, with the key of the environment; raise SettingsError."""
    key = environment.get(KEY)
    if key is not None:
        check_secret(KEY, key)
    options = RemoteOptions(
        temperature=settings.temperature, timeout_s=settings.timeout_s, at_once=settings.at_once
    )
    return RemoteWriter(
        url, prompts_of(settings), options, key=key and key.strip(), rules=rules_digest()
    )


def prompts_of(settings: CopySettings) -> Prompts:
    """Return the prompts of the settings' folder, or the shipped ones; raise SettingsError."""
    try:
        return load_prompts(prompts_folder(settings))
    except WriterError as error:
        raise SettingsError(f"copy.prompts: {error}") from error


def prompts_folder(settings: CopySettings) -> Path | None:
    """Return the folder of an editor's prompt files; relative paths start at the project's root."""
    return None if settings.prompts is None else PROJECT_ROOT / Path(settings.prompts).expanduser()
