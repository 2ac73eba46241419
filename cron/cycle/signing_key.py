"""The worker's key that archives are signed with: made when there is none, beside it the public keys that nodes are to trust.

Knows two files in `store.var`: `signing.pem`, readable by this account alone, and `signing.pub`,
whose keys nodes trust. A new key is added to the latter and older ones stay, so that archives from
before a change of keys go on loading; a person takes them out.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cron.errors import SettingsError
from trainer import durable_files
from trainer.signature import NotTrusted, new_key, public_key, public_keys

_PRIVATE, _PUBLIC = "signing.pem", "signing.pub"


def signing_key(var: Path) -> str:
    """Return the private key, PEM, made now when the file is missing; raise SettingsError."""
    file = var / _PRIVATE
    try:
        if not file.is_file():
            _make(file)
        _check_private(file)
        private = file.read_text()
        _publish(public_key(private), trusted_keys(var))
    except (OSError, NotTrusted) as error:
        remedy = "mend it, or move it away: the worker then makes a new one"
        raise SettingsError(
            f"release.sign_archives: the key {file} can't be used ({error}); {remedy}"
        ) from error
    return private


def trusted_keys(var: Path) -> Path:
    """Return the file of the public keys that nodes are to trust, which lies beside the signing key."""
    return var / _PUBLIC


def _make(file: Path) -> None:
    """Write a new key that nobody else can read at any moment; of two workers that start at once, one's key stays."""
    durable_files.make_folder(file.parent)
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(new_key())
            stream.flush()
            os.fsync(stream.fileno())
        if not file.exists():
            durable_files.move(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)


def _check_private(file: Path) -> None:
    if file.stat().st_mode & 0o077:
        raise SettingsError(
            f"release.sign_archives: the key {file} can be read by other accounts; run: chmod 600 {file}"
        )


def _publish(public: str, file: Path) -> None:
    text = file.read_text() if file.is_file() else ""
    if public.strip() not in public_keys(text):
        durable_files.replace_text(file, f"{text}{public.strip()}\n")
