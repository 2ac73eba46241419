"""The bundle of a writer: what its archive needs beside the code.

writer.json     the model's name, how it samples, whether it is packed, the digest of all
prompts/        the prompt files of every language and kind
model/          the model in half precision, if it is packed
manifest.json   the sha256 of each file
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import get_args

import msgspec

from copywriter.brief import Kind, Language
from copywriter.writing.causal import CausalWriter
from copywriter.writing.causal_model import CausalModel
from copywriter.writing.prompts import SHIPPED_PROMPTS, load_prompts
from copywriter.writing.sampling import Sampling
from copywriter.writing.writer import WriterError


class WriterFile(msgspec.Struct, frozen=True, kw_only=True):
    """`writer.json`."""

    model: str
    sampling: Sampling
    is_packed: bool
    digest: str


def make_writer_bundle(
    out: Path, model: str, *, prompts: Path | None, sampling: Sampling, pack: bool
) -> str:
    """Load a model, write its bundle to a new folder, and return the writer's digest.

    Raise WriterError.
    """
    out.mkdir(parents=True)
    loaded = CausalModel(model, device="cpu")
    _copy_prompts(prompts, out / "prompts")
    writer = CausalWriter(loaded, load_prompts(out / "prompts"), sampling)
    if pack:
        loaded.save(out / "model")
    file = WriterFile(model=model, sampling=sampling, is_packed=pack, digest=writer.digest)
    (out / "writer.json").write_bytes(msgspec.json.encode(file))
    paths = sorted(path for path in out.rglob("*") if path.is_file())
    files = {}
    for path in paths:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        files[path.relative_to(out).as_posix()] = digest
    (out / "manifest.json").write_text(json.dumps({"files": files}), encoding="utf-8")
    return writer.digest


def open_writer_bundle(folder: Path) -> CausalWriter:
    """Load the writer of a bundle; raise WriterError when it is not the one that was bundled.

    A model that is not packed is loaded by its name, and must be the same to the last bit.
    """
    file = msgspec.json.decode((folder / "writer.json").read_bytes(), type=WriterFile)
    model = CausalModel(file.model, folder=folder / "model" if file.is_packed else None)
    writer = CausalWriter(model, load_prompts(folder / "prompts"), file.sampling)
    if writer.digest != file.digest:
        raise WriterError(
            f"writer {file.model}: the model found here is not the one that was released "
            f"(digest {writer.digest[:12]}…, expected {file.digest[:12]}…); fetch the same "
            "weights, or release it again with: python -m cron copy release"
        )
    return writer


def _copy_prompts(own: Path | None, out: Path) -> None:
    """Copy the prompt files, an editor's before the shipped ones."""
    for language in get_args(Language):
        (out / language).mkdir(parents=True)
        for kind in get_args(Kind):
            name = Path(language) / f"{kind}.toml"
            edited = own / name if own is not None else None
            source = edited if edited is not None and edited.is_file() else SHIPPED_PROMPTS / name
            shutil.copyfile(source, out / name)
