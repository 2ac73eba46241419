"""Ed25519 signatures of archives: one over the names and sha256 of all files in it, kept beside them in `signature.json`.

Knows files, digests and keys in PEM. Does not know who signs, nor which keys are trusted where.
Signed is what lies in the archive once it is unpacked, so that a surplus file is as wrong as a
changed one: Python would load it.
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

SIGNATURE = "signature.json"
_TITLE = "Freshet archive, signature 1\n"  # no other text that a key may sign begins so
_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


class NotTrusted(Exception):
    """An archive that must not run, or a key that can't be used: what is wrong, and what to do."""


def new_key() -> str:
    """Return a new private key, PEM."""
    return str(ECC.generate(curve="Ed25519").export_key(format="PEM"))


def public_key(private: str) -> str:
    """Return the public half of a private key, PEM; raise NotTrusted for what is no Ed25519 key."""
    return str(_imported(private).public_key().export_key(format="PEM"))


def public_keys(text: str) -> tuple[str, ...]:
    """Return the public keys in a file's text, PEM, in their order."""
    return tuple(_PUBLIC.findall(text))


def sign(digests: Mapping[str, str], private: str) -> str:
    """Return the content of `signature.json` for an archive, given the sha256 of each file by name."""
    key = _imported(private)
    signature = eddsa.new(key, "rfc8032").sign(_signed_text(digests))
    return json.dumps({"key": _name_of(key), "signature": base64.b64encode(signature).decode()})


def verify_folder(folder: Path, trusted: str) -> None:
    """Raise NotTrusted unless one of the trusted public keys signed exactly the files in this folder."""
    keys = {_name_of(key): key for key in map(_imported, public_keys(trusted))}
    if not keys:
        raise NotTrusted(
            "no public key is trusted; the worker writes its own beside its signing key: copy that file here"
        )
    name, signature = _signature_in(folder)
    if name not in keys:
        raise NotTrusted(
            f"{folder} is signed with key {name}, and trusted are {', '.join(keys)}; add its public key, if it is yours"
        )
    try:
        eddsa.new(keys[name], "rfc8032").verify(_signed_text(_digests_of(folder)), signature)
    except ValueError as error:
        raise NotTrusted(
            f"{folder} does not hold what key {name} signed: a file was changed, added or removed"
        ) from error


def _signature_in(folder: Path) -> tuple[str, bytes]:
    """Return the name of the key and the signature."""
    try:
        content = json.loads((folder / SIGNATURE).read_bytes())
        return str(content["key"]), base64.b64decode(content["signature"], validate=True)
    except FileNotFoundError as error:
        raise NotTrusted(f"{folder} holds no {SIGNATURE}: the archive was not signed") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotTrusted(f"{folder / SIGNATURE} is no signature ({error})") from error


def _digests_of(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file by name; a link, which may lead anywhere, is refused."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise NotTrusted(f"{path} is a link or no file; do not use this archive")
        if path.is_file() and name != SIGNATURE:
            with path.open("rb") as stream:
                digests[name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests


def _signed_text(digests: Mapping[str, str]) -> bytes:
    if unfit := [name for name in digests if "\n" in name or name == SIGNATURE]:
        raise NotTrusted(f"{unfit[0]!r} is no name for a file in a signed archive")
    return (_TITLE + "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))).encode()


def _imported(pem: str) -> ECC.EccKey:
    try:
        key = ECC.import_key(pem)
    except (ValueError, IndexError, TypeError) as error:
        raise NotTrusted(f"not an Ed25519 key in PEM ({error})") from error
    if key.curve != "Ed25519":
        raise NotTrusted(
            f"a key on {key.curve}; expected Ed25519, as `openssl genpkey -algorithm ed25519` makes it"
        )
    return key


def _name_of(key: ECC.EccKey) -> str:
    """Return the first 16 digits of the sha256 over the public key's 32 bytes."""
    public = key.public_key() if key.has_private() else key
    return hashlib.sha256(public.export_key(format="raw")).hexdigest()[:16]
