"""Pack a bundle into a .mar with its code, and unpack it again. Imports no torch.

A .mar contains the handler, the packages that it needs, the bundle and the worker settings, stored
without compression (deflating half-precision weights costs seconds and gains nothing). It is not
byte-reproducible because zip stores times, so its name includes the digest of the finished file.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recommender.arrays.bases import CONTENT
from trainer.machine import durable_files
from trainer.machine.durable_files import sha256_of

MODEL_NAME = "rec"
BUNDLE = "bundle"
MANIFEST = "manifest.json"
CONTENT_PLACE = "content.json"  # in an archive: the folder of the bases that it leaves out

_ROOT = Path(__file__).resolve().parent.parent
_HANDLERS = _ROOT / "handler"
_FOR_ARCHIVER = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "LD_LIBRARY_PATH",
)  # neither PYTHONPATH nor any of our passwords
_PACK_LIMIT_S = 600  # zip-store of 48 MB takes 0.2 s; 14 GB at disk speed a few minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveKind:
    """A model of TorchServe: its name, the files of its handler, and the packages it needs."""

    name: str
    handler: str
    worker_settings: str
    packages: tuple[str, ...]


RECOMMENDER = ArchiveKind(
    name=MODEL_NAME,
    handler="recommend.py",
    worker_settings="model-config.yaml",
    packages=("recommender",),
)
COPY = ArchiveKind(
    name="copy",
    handler="write_copy.py",
    worker_settings="copy-config.yaml",
    packages=("copywriter", "recommender"),
)


class ArchiveError(ValueError):
    """A bundle that can't be packed, or an archive that can't be trusted."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


def pack(
    *,
    bundle: Path,
    version: int,
    out: Path,
    signing_key: str | None = None,
    beside: Path | None = None,
    kind: ArchiveKind = RECOMMENDER,
) -> Path:
    """Write `out/{name}-{version}-{first 12 of its sha256}.mar` in one step and return its path.

    The name is that of the kind. With a signing key (PEM), the archive includes a signature over
    all of its files. With `beside`, a folder of bases that the nodes can read, it leaves the bases
    out and has the folder's absolute path, from which the handler reads them; the bundle's manifest
    has their digests. Raise ArchiveError for a damaged bundle.
    """
    if version < 0:
        raise ValueError(f"version: found {version}, expected 0 (the baseline) or more")
    verify_bundle(bundle)
    durable_files.make_folder(out)
    # The archiver empties and fills TMPDIR/rec; of 12 concurrent packs that shared it, 8 were
    # broken.
    with tempfile.TemporaryDirectory(dir=out, prefix=".pack-") as private:
        work = Path(private)
        _stage(bundle, work / "staging", beside, kind)
        _run_archiver(work, version, kind)
        made = work / f"{kind.name}.mar"
        if signing_key is not None:
            _sign(made, signing_key)
        durable_files.sync(made)
        named = out / f"{kind.name}-{version}-{sha256_of(made)[:12]}.mar"
        durable_files.move(made, named)
    return named


def unpack_bundle(
    mar: Path, into: Path, *, get_base: Callable[[str, Path], None] | None = None
) -> Path:
    """Write the archive's bundle, verified, to the folder `into` in one step; return `into`.

    The folder may exist if it holds the same bundle. `get_base` is called with the digest of each
    base that the archive leaves out and the path to write it to. Raise ArchiveError.
    """
    durable_files.make_folder(into.parent)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=".unpack-") as private:
        taken = Path(private) / BUNDLE
        _extract(mar, taken)
        if get_base is not None:
            for digest in _bases_left_out(taken):
                get_base(digest, taken / CONTENT / digest)
        verify_bundle(taken)
        if into.is_dir() and any(into.iterdir()):
            if not _same_bundle(taken, into):
                raise ArchiveError(
                    into,
                    f"is not the bundle of {mar.name}; unpack into an empty folder",
                )
            return into
        durable_files.sync_tree(taken)
        durable_files.move(taken, into)
    return into


def bases_left_out(mar: Path) -> tuple[str, ...]:
    """Return the digests of the bases and layers that an archive leaves out; raise ArchiveError."""
    try:
        with zipfile.ZipFile(mar) as archive:
            names = set(archive.namelist())
            if CONTENT_PLACE not in names:
                return ()
            files = json.loads(archive.read(f"{BUNDLE}/{MANIFEST}"))["files"]
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(mar, f"can't be read as an archive ({error})") from error
    return tuple(digest for name, digest in sorted(files.items()) if name == f"{CONTENT}/{digest}")


def verify_bundle(bundle: Path) -> None:
    """Compare every file of a bundle with its manifest.

    Raise ArchiveError naming the first file that is missing, changed or not listed.
    """
    listed = _digests_by_name(bundle)
    found = {
        path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()
    } - {MANIFEST}
    for name in sorted(found ^ set(listed)):
        problem = "is not listed in its manifest" if name in found else "is missing"
        raise ArchiveError(bundle / name, f"{problem}; make the bundle again")
    for name, expected in sorted(listed.items()):
        actual = sha256_of(bundle / name)
        if actual != expected:
            raise ArchiveError(
                bundle / name,
                f"expected sha256 {expected[:12]}…, found {actual[:12]}…; "
                "make or fetch the bundle again",
            )


def _digests_by_name(bundle: Path) -> dict[str, str]:
    """Return the sha256 of each file by name, as the bundle's manifest has them."""
    try:
        files = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {str(name): str(digest) for name, digest in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(bundle, f"not a bundle: {MANIFEST} is missing or not valid") from error


def _bases_left_out(bundle: Path) -> list[str]:
    """Return the digests of the bases that the manifest lists and the folder lacks."""
    bases = {
        name: digest
        for name, digest in _digests_by_name(bundle).items()
        if name == f"{CONTENT}/{digest}"
    }
    return [digest for name, digest in bases.items() if not (bundle / name).is_file()]


def bundle_digest(bundle: Path) -> str:
    """Return the digest of a verified bundle.

    It equals that of `recommender.bundle.bundle_digest`, and a release's manifest records it.
    """
    files = {
        **json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))["files"],
        MANIFEST: sha256_of(bundle / MANIFEST),
    }
    return hashlib.sha256(
        "".join(f"{name}\t{files[name]}\n" for name in sorted(files)).encode()
    ).hexdigest()


def code_digest() -> str:
    """Return a sha256 over the names and contents of recommender, trainer and handler."""
    total = hashlib.sha256()
    for path in sorted(_code_files()):
        total.update(f"{path.relative_to(_ROOT).as_posix()} {sha256_of(path)}\n".encode())
    return total.hexdigest()


def _code_files() -> Iterator[Path]:
    for folder in (_ROOT / "recommender", _ROOT / "trainer"):
        yield from folder.rglob("*.py")
    yield from (_HANDLERS / name for name in ("__init__.py", "context.py", RECOMMENDER.handler))
    yield _HANDLERS / RECOMMENDER.worker_settings


def _stage(bundle: Path, staging: Path, beside: Path | None, kind: ArchiveKind) -> None:
    """Make the archive's root: its packages without caches, and links to the bundle's files.

    The archiver copies what a link points to.
    """
    staging.mkdir()
    code = [path for name in kind.packages for path in (_ROOT / name).rglob("*.py")]
    for path in sorted(code):
        copy = staging / path.relative_to(_ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    if beside is None or not (bundle / CONTENT).is_dir():
        (staging / BUNDLE).symlink_to(bundle.resolve(), target_is_directory=True)
        return
    (staging / BUNDLE).mkdir()
    for path in bundle.resolve().iterdir():
        if path.name != CONTENT:
            (staging / BUNDLE / path.name).symlink_to(path)
    place = {"folder": str(beside.resolve())}
    (staging / CONTENT_PLACE).write_text(json.dumps(place), encoding="utf-8")


def _run_archiver(work: Path, version: int, kind: ArchiveKind) -> None:
    temporary = work / "tmp"
    temporary.mkdir()
    command = [
        sys.executable,
        "-m",
        "model_archiver.model_packaging",
        "--model-name",
        kind.name,
        "--version",
        str(version),
    ]
    command += [
        "--handler",
        str(_HANDLERS / kind.handler),
        "--extra-files",
        str(work / "staging"),
        "--config-file",
        str(_HANDLERS / kind.worker_settings),
    ]
    command += ["--archive-format", "zip-store", "--export-path", str(work)]
    env = {name: os.environ[name] for name in _FOR_ARCHIVER if name in os.environ} | {
        "TMPDIR": str(temporary)
    }
    # `-m` puts the working directory on the module path, where folders of a checkout could shadow
    # the archiver. So the archiver gets its own.
    done = subprocess.run(
        command,
        env=env,
        cwd=work,
        capture_output=True,
        text=True,
        timeout=_PACK_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise ArchiveError(
            work,
            f"torch-model-archiver ended with status {done.returncode}: "
            f"{done.stderr.strip()[-2000:]}",
        )


def _sign(mar: Path, signing_key: str) -> None:
    """Add the signature over the archive's files, named as in the unpacked archive."""
    from trainer.signature import SIGNATURE, sign

    with zipfile.ZipFile(mar, "a", zipfile.ZIP_STORED) as archive:
        digests = {
            info.filename: _member_sha256(archive, info)
            for info in archive.infolist()
            if not info.is_dir()
        }
        archive.writestr(SIGNATURE, sign(digests, signing_key))


def _member_sha256(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    digest = hashlib.sha256()
    with archive.open(info) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _extract(mar: Path, into: Path) -> None:
    """Write the archive's `bundle/` members.

    Links and names that would leave the folder are refused before anything is written.
    """
    try:
        with zipfile.ZipFile(mar) as archive:
            members = [
                info
                for info in archive.infolist()
                if info.filename.startswith(f"{BUNDLE}/") and not info.is_dir()
            ]
            if not members:
                raise ArchiveError(mar, f"not a Freshet archive: it has no {BUNDLE}/")
            targets = [_safe_target(mar, info, into) for info in members]
            for info, target in zip(members, targets, strict=True):
                _write_member(archive, info, target)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ArchiveError(mar, f"can't be read as an archive ({error})") from error


def _write_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


def _safe_target(mar: Path, info: zipfile.ZipInfo, into: Path) -> Path:
    name = PurePosixPath(info.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in info.filename:
        raise ArchiveError(
            mar, f"member {info.filename!r} points outside its folder; do not use this archive"
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise ArchiveError(mar, f"member {info.filename!r} is a link; do not use this archive")
    return into.joinpath(*name.parts[1:])


def _same_bundle(left: Path, right: Path) -> bool:
    try:
        verify_bundle(right)
    except ArchiveError:
        return False
    return (left / MANIFEST).read_bytes() == (right / MANIFEST).read_bytes()
