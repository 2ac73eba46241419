"""The worker's key for signing archives, and the file of public keys that nodes trust.

They are two files in `store.var`: `signing.pem`, readable by this account only and made when it is
missing, and `signing.pub`. A new public key is added to the latter and older ones stay, so that
archives from before a change of keys can still be loaded; only a person removes them.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cron.errors import SettingsError
from trainer.machine import durable_files
from trainer.signature import NotTrusted, new_key, public_key, public_keys

_PRIVATE, _PUBLIC = "signing.pem", "signing.pub"


def signing_key(var: Path) -> str:
    """Return the private key as PEM; make it if the file is missing. Raise SettingsError."""
    file = var / _PRIVATE
    try:
        if not file.is_file():
            _make(file)
        _check_private(file)
        private = file.read_text(encoding="utf-8")
        _publish(public_key(private), trusted_keys(var))
    except (OSError, NotTrusted) as error:
        remedy = "repair it, or move it away and the worker makes a new one"
        raise SettingsError(
            f"release.sign_archives: the key {file} cannot be used ({error}); {remedy}"
        ) from error
    return private


def trusted_keys(var: Path) -> Path:
    """Return the file of the public keys that nodes trust."""
    return var / _PUBLIC


def _make(file: Path) -> None:
    """Write a new key that no other account can read at any moment.

    If two workers start at once, the key of one of them stays.
    """
    durable_files.make_folder(file.parent)
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
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
            f"release.sign_archives: other accounts can read the key {file}; run: chmod 600 {file}"
        )


def _publish(public: str, file: Path) -> None:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if public.strip() not in public_keys(text):
        durable_files.replace_text(file, f"{text}{public.strip()}\n")
