"""Sign and verify .mar archives (Ed25519).

A signature covers the names and sha256 of all files in the unpacked archive and is stored with them
in `signature.json`. An additional file is refused like a changed one, because Python would load it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from trainer.machine.durable_files import sha256_of

SIGNATURE = "signature.json"
_TITLE = "Freshet archive, signature 1\n"  # nothing else that a key may sign begins with this
_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


class NotTrusted(Exception):
    """An archive that must not run, or a key that can't be used."""


def new_key() -> str:
    """Return a new private key as PEM."""
    return str(ECC.generate(curve="Ed25519").export_key(format="PEM"))


def public_key(private: str) -> str:
    """Return the public half of an Ed25519 private key as PEM; raise NotTrusted."""
    return str(_import_key(private).public_key().export_key(format="PEM"))


def public_keys(text: str) -> tuple[str, ...]:
    """Return the public keys in a file's text as PEM, in order."""
    return tuple(_PUBLIC.findall(text))


def sign(digests: Mapping[str, str], private: str) -> str:
    """Return the content of `signature.json`, given the sha256 of each file by name."""
    key = _import_key(private)
    signature = eddsa.new(key, "rfc8032").sign(_signed_text(digests))
    return json.dumps({"key": _name_of(key), "signature": base64.b64encode(signature).decode()})


def verify_folder(folder: Path, trusted: str) -> None:
    """Raise NotTrusted unless a trusted public key signed exactly the files in this folder."""
    keys = {_name_of(key): key for key in map(_import_key, public_keys(trusted))}
    if not keys:
        raise NotTrusted(
            "no public key is trusted here; copy the file of public keys here that the worker "
            "writes next to its signing key"
        )
    name, signature = _signature_in(folder)
    if name not in keys:
        raise NotTrusted(
            f"{folder} is signed with key {name}, but only {', '.join(keys)} is trusted; "
            "add its public key if it is yours"
        )
    try:
        eddsa.new(keys[name], "rfc8032").verify(_signed_text(_digests_of(folder)), signature)
    except ValueError as error:
        raise NotTrusted(
            f"{folder} is not what key {name} signed: a file was changed, added or removed"
        ) from error


def _signature_in(folder: Path) -> tuple[str, bytes]:
    """Return the name of the key and the signature."""
    try:
        content = json.loads((folder / SIGNATURE).read_bytes())
        return str(content["key"]), base64.b64decode(content["signature"], validate=True)
    except FileNotFoundError as error:
        raise NotTrusted(f"{folder} holds no {SIGNATURE}: the archive was not signed") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotTrusted(f"{folder / SIGNATURE} is not a valid signature ({error})") from error


def _digests_of(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file by name; raise NotTrusted for a link."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise NotTrusted(f"{path} is a link or not a regular file; do not use this archive")
        if path.is_file() and name != SIGNATURE:
            digests[name] = sha256_of(path)
    return digests


def _signed_text(digests: Mapping[str, str]) -> bytes:
    if unfit := [name for name in digests if "\n" in name or name == SIGNATURE]:
        raise NotTrusted(f"{unfit[0]!r} is not allowed as the name of a file in a signed archive")
    return (_TITLE + "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))).encode()


def _import_key(pem: str) -> ECC.EccKey:
    try:
        key = ECC.import_key(pem)
    except (ValueError, IndexError, TypeError) as error:
        raise NotTrusted(f"not an Ed25519 key in PEM ({error})") from error
    if key.curve != "Ed25519":
        raise NotTrusted(
            f"expected an Ed25519 key, found one on {key.curve}; "
            "make one with `openssl genpkey -algorithm ed25519`"
        )
    return key


def _name_of(key: ECC.EccKey) -> str:
    """Return the first 16 hex digits of the sha256 of the public key's 32 bytes."""
    public = key.public_key() if key.has_private() else key
    return hashlib.sha256(public.export_key(format="raw")).hexdigest()[:16]
