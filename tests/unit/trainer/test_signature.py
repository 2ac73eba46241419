"""Signed archives: what is signed, who is trusted, and what must not run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cron.cycle.signing_key import signing_key, trusted_keys
from cron.errors import SettingsError
from cron.project_root import PROJECT_ROOT
from cron.settings.file import load_settings
from cron.settings.tree import Settings
from deploy.servers.torchserve.signed_archives import signature_options, with_guard
from tests.planted import planted_bundle
from trainer.archive import pack, unpack_bundle
from trainer.signature import SIGNATURE, NotTrusted, new_key, public_key, public_keys, verify_folder


@pytest.fixture(scope="module")
def key() -> str:
    return new_key()


@pytest.fixture(scope="module")
def signed_archive(key: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signed")
    planted_bundle(folder / "bundle")
    return pack(bundle=folder / "bundle", version=3, out=folder / "out", signing_key=key)


@pytest.fixture
def archive_folder(signed_archive: Path, tmp_path: Path) -> Path:
    """The archive as TorchServe unpacks it."""
    with zipfile.ZipFile(signed_archive) as archive:
        archive.extractall(tmp_path / "model")
    return tmp_path / "model"


def test_what_was_signed_is_trusted_and_nobody_else(archive_folder: Path, key: str) -> None:
    verify_folder(archive_folder, public_key(key))
    verify_folder(
        archive_folder, public_key(new_key()) + public_key(key)
    )  # while keys change, several are trusted
    with pytest.raises(NotTrusted, match="is signed with key"):
        verify_folder(archive_folder, public_key(new_key()))
    with pytest.raises(NotTrusted, match="no public key is trusted"):
        verify_folder(archive_folder, "")


def change(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes() + b"\n")


def sign_by_another(folder: Path) -> None:
    """Keep the trusted key's name."""
    content = json.loads((folder / SIGNATURE).read_text())
    content["signature"] = content["signature"][:-8] + "AAAAAA=="
    (folder / SIGNATURE).write_text(json.dumps(content))


@pytest.mark.parametrize(
    "tamper",
    [
        *(
            change(name)
            for name in (
                "recommend.py",
                "recommender/lists/answer.py",
                "bundle/model.safetensors",
                "MAR-INF/MANIFEST.json",
            )
        ),
        change("model-config.yaml"),
        lambda folder: (folder / "recommender" / "requests" / "wire.py").unlink(),
        lambda folder: (folder / "json.py").write_text("raise SystemExit('mine')"),
        lambda folder: (folder / "recommender" / "lists" / "answer.py").rename(
            folder / "recommender" / "lists" / "answers.py"
        ),
        lambda folder: (folder / "more").symlink_to("/etc"),
        lambda folder: (folder / SIGNATURE).unlink(),
        lambda folder: (folder / SIGNATURE).write_text("[]"),
        sign_by_another,
    ],
)
def test_anything_else_than_what_was_signed_is_refused(
    archive_folder: Path, key: str, tamper: Callable[[Path], object]
) -> None:
    tamper(archive_folder)
    with pytest.raises(NotTrusted):
        verify_folder(archive_folder, public_key(key))


def test_only_a_signed_archive_is_accepted(signed_archive: Path, key: str, tmp_path: Path) -> None:
    bundle = unpack_bundle(signed_archive, tmp_path / "bundle")
    with zipfile.ZipFile(pack(bundle=bundle, version=4, out=tmp_path)) as archive:
        assert SIGNATURE not in archive.namelist()
        archive.extractall(tmp_path / "model")
    with pytest.raises(NotTrusted, match="the archive was not signed"):
        verify_folder(tmp_path / "model", public_key(key))


class TestGuard:
    """The program that TorchServe takes for Python."""

    @pytest.fixture
    def trusted_keys(self, tmp_path: Path, key: str) -> Path:
        file = tmp_path / "trusted.pub"
        file.write_text(public_key(key))
        return file

    def run(
        self, trusted_keys: Path, folder: Path, program: str
    ) -> subprocess.CompletedProcess[str]:
        (python,), env = self.python(trusted_keys)
        worker = folder.parent / "worker.py"
        worker.write_text(program)
        return subprocess.run(
            [python, str(worker), "--port", "1"],
            cwd=folder,
            env={**env, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    def python(self, trusted_keys: Path) -> tuple[list[str], dict[str, str]]:
        command, env = with_guard(
            ["java", "--python", sys.executable],
            {},
            home=trusted_keys.parent,
            trusted_keys=trusted_keys,
        )
        assert command[:2] == ["java", "--python"]
        return command[2:], env

    def test_a_signed_archive_runs_and_leaves_no_bytecode(
        self, trusted_keys: Path, archive_folder: Path
    ) -> None:
        for _ in range(2):  # TorchServe starts a worker that died again in the same folder
            done = self.run(
                trusted_keys,
                archive_folder,
                "import sys, recommender.records.ids\nprint(sys.argv[1:])",
            )
            assert (done.returncode, done.stdout) == (0, "['--port', '1']\n"), done.stderr
        assert not list(archive_folder.rglob("__pycache__"))

    def test_a_changed_archive_runs_nothing(self, trusted_keys: Path, archive_folder: Path) -> None:
        """Neither its package nor a module that would shadow one of Python's."""
        (archive_folder / "json.py").write_text("print('mine')")
        done = self.run(trusted_keys, archive_folder, "print('ran')")
        assert done.returncode != 0
        assert only_its_process(done.stdout)
        assert "archive refused: " in done.stderr

    def test_without_trusted_keys_nothing_runs(self, tmp_path: Path, archive_folder: Path) -> None:
        done = self.run(tmp_path / "missing.pub", archive_folder, "print('ran')")
        assert done.returncode != 0
        assert only_its_process(done.stdout)
        assert "no public key is trusted" in done.stderr

    def test_torchrun_is_no_way_past_it(self, trusted_keys: Path) -> None:
        _, env = self.python(trusted_keys)
        done = subprocess.run(
            ["torchrun", "--help"], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert "archive refused" in done.stderr

    def test_an_archive_cannot_choose_an_unguarded_python(
        self, trusted_keys: Path, archive_folder: Path
    ) -> None:
        """The runtime in an archive's manifest, `python3`, is looked for on the PATH."""
        (archive_folder / "json.py").write_text("print('mine')")
        _, env = self.python(trusted_keys)
        done = subprocess.run(
            ["python3", "-c", "print('ran')"],
            cwd=archive_folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert only_its_process(done.stdout)
        assert "archive refused" in done.stderr


def only_its_process(stdout: str) -> bool:
    """Return whether a refused program printed only its process id, as TorchServe expects."""
    return re.fullmatch(r"\[PID\]\d+\n", stdout) is not None


class TestKey:
    """The worker's key file."""

    def test_the_key_is_made_once_and_its_public_half_is_trusted(self, tmp_path: Path) -> None:
        private = signing_key(tmp_path / "var")
        assert signing_key(tmp_path / "var") == private
        assert (tmp_path / "var" / "signing.pem").stat().st_mode & 0o777 == 0o600
        assert public_keys(trusted_keys(tmp_path / "var").read_text()) == (
            public_key(private).strip(),
        )
        assert sorted(path.name for path in (tmp_path / "var").iterdir()) == [
            "signing.pem",
            "signing.pub",
        ]

    def test_a_new_key_is_added_to_the_trusted_ones(self, tmp_path: Path) -> None:
        first = signing_key(tmp_path)
        (tmp_path / "signing.pem").rename(tmp_path / "old.pem")
        second = signing_key(tmp_path)
        assert public_keys(trusted_keys(tmp_path).read_text()) == (
            public_key(first).strip(),
            public_key(second).strip(),
        )

    def test_a_key_that_others_can_read_or_that_is_none_is_refused(self, tmp_path: Path) -> None:
        signing_key(tmp_path)
        (tmp_path / "signing.pem").chmod(0o640)
        with pytest.raises(SettingsError, match="chmod 600"):
            signing_key(tmp_path)
        (tmp_path / "signing.pem").chmod(0o600)
        (tmp_path / "signing.pem").write_text("not a key")
        with pytest.raises(SettingsError, match=r"the key .*signing.pem cannot be used"):
            signing_key(tmp_path)


def test_signatures_need_a_key(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[release]\nrequire_signatures = true\n")
    with pytest.raises(SettingsError, match=r"needs release\.sign_archives"):
        load_settings(tmp_path / "own.toml", {})
    cluster = load_settings(PROJECT_ROOT / "deploy" / "cluster.toml", {}).settings
    assert (cluster.release.sign_archives, cluster.release.require_signatures) == (True, True)
    assert signature_options(cluster) == [
        "--trusted-keys",
        str(PROJECT_ROOT / "var" / "stack" / "signing.pub"),
    ]
    assert signature_options(Settings()) == []
