"""The ArtifactStore port, on every back end."""

from __future__ import annotations

import filecmp
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cron.backends.artifacts.s3.upload import PART_BYTES
from cron.errors import ArtifactConflict, ArtifactCorrupt, ArtifactMissing, Unavailable
from cron.ports import ArtifactStore
from cron.wiring import open_artifacts
from tests.contracts.records import LIMIT_S, start_process, wait_for_end
from tests.servers import Servers

EMBEDDED: dict[str, Callable[[Path], str]] = {"folder": lambda folder: f"file:///{folder}/archives"}
ON_SERVERS: dict[str, Callable[[Servers], str]] = {"s3": lambda servers: servers.s3_store()}
NAMES = [
    "rec-17-3fa.mar",
    "journal/000000000001-000000000009.parquet",
    "a/b/c/d",
    "with space ü.json",
    "日本/🛒 +&=%20?#;,'\"<>~.bin",
    "é/e\u0301",
    "n" * 200,
]
Make = Callable[[bytes], Path]
PUT = """
import pathlib, sys
from cron.wiring import open_artifacts
from cron.errors import ArtifactConflict
try:
    print(open_artifacts(sys.argv[1]).put(sys.argv[2], pathlib.Path(sys.argv[3])))
except ArtifactConflict:
    print("conflict")
"""


PUT_AND_FETCH = """
import pathlib, resource, sys
from cron.wiring import open_artifacts
store, file = open_artifacts(sys.argv[1]), pathlib.Path(sys.argv[2])
store.names()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.put("large.mar", file)
store.fetch("large.mar", file.with_suffix(".back"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.fixture
def url(
    back_end: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Return the URL of a new, empty store."""
    if back_end in EMBEDDED:
        return EMBEDDED[back_end](tmp_path)
    servers: Servers = request.getfixturevalue("servers")
    for name, value in servers.s3_keys().items():
        monkeypatch.setenv(name, value)
    return ON_SERVERS[back_end](servers)


@pytest.fixture
def store(url: str) -> ArtifactStore:
    return open_artifacts(url)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes a file with given bytes."""

    def make_file(content: bytes) -> Path:
        path = tmp_path / f"file-{hashlib.sha256(content).hexdigest()[:8]}"
        path.write_bytes(content)
        return path

    return make_file


def fetch_bytes(store: ArtifactStore, name: str, tmp_path: Path) -> bytes:
    into = tmp_path / "fetch_bytes" / "here"
    store.fetch(name, into)
    return into.read_bytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content", [b"", b"x", os.urandom(3_000_000)], ids=["empty", "one byte", "3 MB"]
)
def test_what_was_put_is_fetched(
    store: ArtifactStore, make: Make, tmp_path: Path, name: str, content: bytes
) -> None:
    assert store.put(name, make(content)) == hashlib.sha256(content).hexdigest()
    assert fetch_bytes(store, name, tmp_path) == content
    assert store.names() == (name,)


def test_names_are_sorted_and_all_there(store: ArtifactStore, make: Make, url: str) -> None:
    names = ["b.mar", "a.mar", "journal/2", "journal/1", "state/17/x"]
    assert store.names() == ()
    for name in names:
        store.put(name, make(name.encode()))
    assert store.names() == tuple(sorted(names))
    assert open_artifacts(url).names() == tuple(sorted(names))


def test_names_can_be_listed_by_prefix(store: ArtifactStore, make: Make) -> None:
    for name in ("rec-1.mar", "rec-12.mar", "journal/1", "journal/2", "journal-old/1"):
        store.put(name, make(name.encode()))
    assert store.names("journal/") == ("journal/1", "journal/2")
    assert store.names("rec-1") == ("rec-1.mar", "rec-12.mar")
    assert store.names("no") == ()


def test_a_missing_artifact_has_no_url(store: ArtifactStore, make: Make) -> None:
    with pytest.raises(ArtifactMissing, match=r"artifact rec-1\.mar"):
        store.url("rec-1.mar")
    store.put("rec-1.mar", make(b"one"))
    assert "rec-1.mar" in store.url("rec-1.mar")
    store.delete("rec-1.mar")
    with pytest.raises(ArtifactMissing):
        store.url("rec-1.mar")


def test_putting_the_same_bytes_again_is_allowed_others_not(
    store: ArtifactStore, make: Make, tmp_path: Path
) -> None:
    first = store.put("a.mar", make(b"one"))
    assert store.put("a.mar", make(b"one")) == first
    with pytest.raises(ArtifactConflict, match=r"artifact a\.mar"):
        store.put("a.mar", make(b"two"))
    assert fetch_bytes(store, "a.mar", tmp_path) == b"one"


def test_bytes_are_checked_against_the_callers_sha256(
    store: ArtifactStore, make: Make, tmp_path: Path
) -> None:
    """The store keeps its sha256 next to the bytes, so the ledger's sha256 decides."""
    sha256, other = store.put("rec-1.mar", make(b"one")), hashlib.sha256(b"two").hexdigest()
    store.fetch("rec-1.mar", tmp_path / "here", sha256=sha256)
    assert "rec-1.mar" in store.url("rec-1.mar", sha256=sha256)
    with pytest.raises(
        ArtifactCorrupt, match=rf"artifact rec-1\.mar: expected sha256 {other[:12]}"
    ):
        store.fetch("rec-1.mar", tmp_path / "there", sha256=other)
    assert not (tmp_path / "there").exists()
    with pytest.raises(
        ArtifactCorrupt, match=rf"artifact rec-1\.mar: expected sha256 {other[:12]}"
    ):
        store.url("rec-1.mar", sha256=other)


def test_a_deleted_artifact_is_gone_and_its_name_free(
    store: ArtifactStore, make: Make, tmp_path: Path
) -> None:
    store.delete("deep/in/a.mar")  # not there: fine
    store.put("deep/in/a.mar", make(b"one"))
    store.put("deep/b.mar", make(b"two"))
    store.delete("deep/in/a.mar")
    assert store.names() == ("deep/b.mar",)
    with pytest.raises(ArtifactMissing):
        fetch_bytes(store, "deep/in/a.mar", tmp_path)
    store.put("deep/in/a.mar", make(b"three"))
    assert fetch_bytes(store, "deep/in/a.mar", tmp_path) == b"three"


def test_a_missing_artifact_leaves_no_file(store: ArtifactStore, tmp_path: Path) -> None:
    into = tmp_path / "into" / "file"
    with pytest.raises(ArtifactMissing, match=r"artifact no\.mar"):
        store.fetch("no.mar", into)
    assert list(into.parent.iterdir()) == []


def test_a_fetch_replaces_an_existing_file(
    store: ArtifactStore, make: Make, tmp_path: Path
) -> None:
    store.put("a", make(b"new"))
    into = tmp_path / "target"
    into.write_bytes(b"an older, longer file")
    store.fetch("a", into)
    assert into.read_bytes() == b"new"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/a",
        "../a",
        "a/../b",
        "a/..",
        ".",
        "./a",
        "a//b",
        "a/",
        ".store/sha256/a",
        "a/.b",
        "..",
        "a\\b",
        "a\0b",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(
    store: ArtifactStore, make: Make, tmp_path: Path, name: str
) -> None:
    for call in (
        lambda: store.put(name, make(b"x")),
        lambda: store.fetch(name, tmp_path / "x"),
        lambda: store.delete(name),
        lambda: store.url(name),
    ):
        with pytest.raises(ValueError, match="artifact name"):
            call()
    assert store.names() == ()


@pytest.mark.parametrize("size_bytes", [2_000_000, 40_000_000], ids=["2 MB", "40 MB"])
def test_processes_put_one_name_and_one_wins(
    store: ArtifactStore, url: str, back_end: str, make: Make, tmp_path: Path, size_bytes: int
) -> None:
    contents = [bytes([number]) * size_bytes for number in range(3)]
    files = [make(content) for content in contents]
    putters = [start_process(PUT, url, "rec-1.mar", str(file)) for file in files]
    first = [number for number, putter in enumerate(putters) if wait_for_end(putter) != "conflict"]
    is_by_parts = back_end == "s3" and size_bytes > PART_BYTES
    assert len(first) == 1 or (
        is_by_parts and first
    )  # SeaweedFS may let two by who complete at one moment, see docs/backends.md
    winner = contents.index(fetch_bytes(store, "rec-1.mar", tmp_path))
    assert winner in first
    for number, file in enumerate(files):
        if number != winner:
            with pytest.raises(ArtifactConflict):
                store.put("rec-1.mar", file)
    assert fetch_bytes(store, "rec-1.mar", tmp_path) == contents[winner]


def test_processes_put_the_same_bytes_and_all_are_right(
    store: ArtifactStore, url: str, make: Make, tmp_path: Path
) -> None:
    content = os.urandom(20_000_000)
    file = str(make(content))
    putters = [start_process(PUT, url, "rec-1.mar", file) for _ in range(3)]
    assert [wait_for_end(putter) for putter in putters] == [hashlib.sha256(content).hexdigest()] * 3
    assert fetch_bytes(store, "rec-1.mar", tmp_path) == content


def test_a_300_mb_archive_needs_little_memory(url: str, tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as writer:
        for _ in range(300):
            writer.write(os.urandom(1_000_000))
    grown_kb = int(wait_for_end(start_process(PUT_AND_FETCH, url, str(file))))
    assert filecmp.cmp(file, file.with_suffix(".back"), shallow=False)
    assert grown_kb < 120_000


def test_names_can_be_listed_while_others_are_deleted(store: ArtifactStore, make: Make) -> None:
    """A deleted artifact may leave an empty folder, which is deleted under the listing."""
    store.put("kept/a.mar", make(b"kept"))
    file, done = make(b"deleted"), threading.Event()

    def put_and_delete() -> None:
        for number in range(60):
            store.put(f"gone/{number}/a.mar", file)
            store.delete(f"gone/{number}/a.mar")
        done.set()

    thread = threading.Thread(target=put_and_delete)
    thread.start()
    while not done.is_set():
        assert "kept/a.mar" in store.names()
    thread.join()
    assert store.names() == ("kept/a.mar",)


def test_threads_put_and_fetch(store: ArtifactStore, make: Make, tmp_path: Path) -> None:
    wrong: list[BaseException] = []

    def put_and_fetch(number: int) -> None:
        try:
            content = str(number).encode() * 1000
            store.put(f"many/{number}", make(content))
            store.fetch(f"many/{number}", tmp_path / f"back-{number}")
            assert (tmp_path / f"back-{number}").read_bytes() == content
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=put_and_fetch, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert wrong == []
    assert len(store.names()) == 12


class TestFolder:
    """The folder alone: it is TorchServe's model store, and others can change its files."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "archives"

    @pytest.fixture
    def store(self, folder: Path) -> ArtifactStore:
        return open_artifacts(f"file:///{folder}")

    def test_an_archive_is_stored_under_its_bare_name(
        self, store: ArtifactStore, folder: Path, make: Make
    ) -> None:
        store.put("rec-1.mar", make(b"one"))
        assert store.url("rec-1.mar") == "rec-1.mar"
        assert (folder / "rec-1.mar").read_bytes() == b"one"
        assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == [
            "rec-1.mar"
        ]

    def test_a_foreign_file_in_the_folder_is_not_an_artifact(
        self, store: ArtifactStore, folder: Path, make: Make, tmp_path: Path
    ) -> None:
        (folder / "README.md").write_text("what this folder is")
        assert store.names() == ()
        with pytest.raises(ArtifactMissing):
            fetch_bytes(store, "README.md", tmp_path)
        with pytest.raises(ArtifactConflict):
            store.put("README.md", make(b"other"))
        assert (folder / "README.md").read_text() == "what this folder is"

    def test_damage_is_found_by_fetch_and_repaired_by_put(
        self, store: ArtifactStore, folder: Path, make: Make, tmp_path: Path
    ) -> None:
        store.put("a.mar", make(b"good"))
        (folder / "a.mar").write_bytes(b"evil")
        with pytest.raises(ArtifactCorrupt, match=r"artifact a\.mar: expected sha256"):
            fetch_bytes(store, "a.mar", tmp_path)
        assert not (tmp_path / "fetch_bytes" / "here").exists()
        with pytest.raises(ArtifactCorrupt, match=r"artifact a\.mar: expected sha256"):
            store.url("a.mar")  # it would be run
        with pytest.raises(ArtifactConflict):
            store.put("a.mar", make(b"evil"))
        store.put("a.mar", make(b"good"))
        assert store.url("a.mar") == "a.mar"
        assert fetch_bytes(store, "a.mar", tmp_path) == b"good"

    def test_an_archive_removed_by_hand_is_missing(
        self, store: ArtifactStore, folder: Path, make: Make, tmp_path: Path
    ) -> None:
        store.put("a.mar", make(b"good"))
        (folder / "a.mar").unlink()
        assert store.names() == ()
        with pytest.raises(ArtifactMissing):
            fetch_bytes(store, "a.mar", tmp_path)
        store.put("a.mar", make(b"good"))
        assert store.names() == ("a.mar",)

    def test_a_killed_put_leaves_nothing_visible(
        self, store: ArtifactStore, folder: Path, make: Make, tmp_path: Path
    ) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        putter = start_process(PUT, f"file:///{folder}", "rec-1.mar", str(pipe))
        with pipe.open("wb") as source:  # opens when the child reads
            source.write(b"x" * 3_000_000)
            source.flush()  # all but what the pipe holds is copied by now
            putter.kill()
            putter.communicate(timeout=LIMIT_S)
        assert any((folder / ".store" / "unfinished").iterdir())
        assert store.names() == ()
        assert [path.name for path in folder.iterdir()] == [".store"]
        store.put("rec-1.mar", make(b"whole"))
        assert fetch_bytes(store, "rec-1.mar", tmp_path) == b"whole"
        assert list((folder / ".store" / "unfinished").iterdir()) == []

    def test_a_store_that_cannot_be_created_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(Unavailable, match="the artifact store at"):
            open_artifacts(f"file:///{tmp_path}/file/archives")
