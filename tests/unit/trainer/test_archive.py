"""An archive has its own code, is packed in one step, and unpacked only if it is safe."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from cron.project_root import PROJECT_ROOT
from trainer.archive import ArchiveError, code_digest, pack, unpack_bundle
from trainer.machine.durable_files import sha256_of


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return the smallest folder with a bundle's manifest."""
    return write_bundle(
        tmp_path / "bundle", {"model.safetensors": b"weights", "encoder/vocab.txt": b"a\nb\n"}
    )


def write_bundle(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    digests = {name: sha256(content).hexdigest() for name, content in files.items()}
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "files": digests}))
    return folder


def test_the_name_tells_version_and_digest(bundle: Path, tmp_path: Path) -> None:
    mar = pack(bundle=bundle, version=17, out=tmp_path / "out")
    assert mar == tmp_path / "out" / f"rec-17-{sha256_of(mar)[:12]}.mar"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [mar.name]


def test_an_archive_is_self_contained_and_not_deflated(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(bundle=bundle, version=0, out=tmp_path)) as archive:
        names = set(archive.namelist())
        model = json.loads(archive.read("MAR-INF/MANIFEST.json"))["model"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
    package = {
        path.relative_to(PROJECT_ROOT).as_posix()
        for path in (PROJECT_ROOT / "recommender").rglob("*.py")
    }
    bundled = {"bundle/manifest.json", "bundle/model.safetensors", "bundle/encoder/vocab.txt"}
    assert names == package | bundled | {
        "recommend.py",
        "model-config.yaml",
        "MAR-INF/MANIFEST.json",
    }
    expected = {
        "modelName": "rec",
        "modelVersion": "0",
        "handler": "recommend.py",
        "configFile": "model-config.yaml",
    }
    assert {name: model[name] for name in expected} == expected


def test_unpack_gives_the_bundle_back(bundle: Path, tmp_path: Path) -> None:
    out = unpack_bundle(pack(bundle=bundle, version=1, out=tmp_path), tmp_path / "again")
    assert out == tmp_path / "again"
    assert content_of(out) == content_of(bundle)


def test_unpacking_again_never_overwrites_another_bundle(bundle: Path, tmp_path: Path) -> None:
    mar = pack(bundle=bundle, version=1, out=tmp_path)
    unpack_bundle(mar, tmp_path / "again")
    unpack_bundle(mar, tmp_path / "again")
    other = pack(
        bundle=write_bundle(tmp_path / "other", {"model.safetensors": b"x"}),
        version=2,
        out=tmp_path,
    )
    with pytest.raises(ArchiveError, match="is not the bundle of"):
        unpack_bundle(other, tmp_path / "again")
    assert content_of(tmp_path / "again") == content_of(bundle)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"weightz"), "expected sha256"),
        (lambda folder: (folder / "model.safetensors").unlink(), "is missing"),
        (lambda folder: (folder / "surplus").touch(), "not listed"),
        (lambda folder: (folder / "manifest.json").unlink(), "not a bundle: manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "not a bundle: manifest.json"),
    ],
)
def test_a_damaged_bundle_is_not_packed(
    bundle: Path, tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    spoil(bundle)
    with pytest.raises(ArchiveError, match=problem):
        pack(bundle=bundle, version=1, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_changed_archive_is_not_unpacked(bundle: Path, tmp_path: Path) -> None:
    mar = pack(bundle=bundle, version=1, out=tmp_path)
    content = mar.read_bytes()
    changed = tmp_path / "changed.mar"
    changed.write_bytes(content.replace(b"weights", b"weightz", 1))
    with pytest.raises(ArchiveError):
        unpack_bundle(changed, tmp_path / "again")
    (tmp_path / "cut.mar").write_bytes(content[: len(content) // 2])
    with pytest.raises(ArchiveError, match=r"cut\.mar"):
        unpack_bundle(tmp_path / "cut.mar", tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    "name", ["bundle/../../escaped", "bundle/../escaped", "bundle/a\\..\\..\\escaped"]
)
def test_a_member_that_would_leave_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.mar", "w") as archive:
        archive.writestr("bundle/manifest.json", '{"files": {}}')
        archive.writestr(name, b"x")
    with pytest.raises(ArchiveError, match="outside its folder"):
        unpack_bundle(tmp_path / "evil.mar", tmp_path / "in" / "bundle")
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("bundle/model.safetensors")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "evil.mar", "w") as archive:
        archive.writestr(link, b"/etc/passwd")
    with pytest.raises(ArchiveError, match="is a link"):
        unpack_bundle(tmp_path / "evil.mar", tmp_path / "into")


def test_an_archive_without_a_bundle_is_not_ours(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.mar", "w") as archive:
        archive.writestr("model.pt", b"x")
    with pytest.raises(ArchiveError, match="not a Freshet archive"):
        unpack_bundle(tmp_path / "other.mar", tmp_path / "into")


def test_six_packs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    bundles = [
        write_bundle(tmp_path / f"b{number}", {"model.safetensors": bytes([number]) * 100_000})
        for number in range(6)
    ]
    with ThreadPoolExecutor(6) as pool:
        mars = list(
            pool.map(
                lambda number: pack(bundle=bundles[number], version=number, out=tmp_path / "out"),
                range(6),
            )
        )
    for number, mar in enumerate(mars):
        assert content_of(unpack_bundle(mar, tmp_path / f"again{number}")) == content_of(
            bundles[number]
        )


def test_the_code_digest_is_stable_and_says_sha256() -> None:
    assert code_digest() == code_digest()
    assert len(code_digest()) == 64


def test_packing_loads_no_torch() -> None:
    program = (
        "import sys, trainer.archive; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'numpy')))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", program], cwd=Path(__file__).parents[3], check=False
        ).returncode
        == 0
    )


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
