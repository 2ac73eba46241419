"""TorchServe's server class without its two gRPC servers.

They listen whatever the configuration says, and can register archives. The change is to the bytes
of one method of TorchServe 0.12.0.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from trainer.machine import durable_files

SERVER_CLASS = "org/pytorch/serve/ModelServer.class"
# ModelServer.startGRPCServers(): two calls of startGRPCServer, each kept in a field, and a return
_STARTS_THEM = bytes.fromhex("2a2ab2024eb7027db502812a2ab20258b7027db50285b1")
_NOP, _RETURN = b"\x00", b"\xb1"


class OtherTorchServe(Exception):
    """The installed TorchServe is not the one whose class we know."""


def write_class(jar: Path, into: Path) -> None:
    """Write the changed class below a folder that precedes the jar on the class path.

    The method keeps its length: it does nothing, then returns. Raise OtherTorchServe for a jar of
    another version.
    """
    with zipfile.ZipFile(jar) as archive:
        original = archive.read(SERVER_CLASS)
    if original.count(_STARTS_THEM) != 1:
        raise OtherTorchServe(
            f"{jar} is not of TorchServe 0.12.0, so its gRPC servers can't be left out"
        )
    changed = original.replace(_STARTS_THEM, _NOP * (len(_STARTS_THEM) - 1) + _RETURN)
    durable_files.replace_bytes(into / SERVER_CLASS, changed)
