"""The keys to a store on S3: right, wrong, missing, from a profile, for reading only."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cron.errors import AccessRefused
from cron.ports import ArtifactStore
from cron.wiring import open_artifacts
from tests.ports import free_port
from tests.servers import Servers
from tests.services.s3.files import KEY_VARIABLES, fetch_bytes, file_of, take_keys


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_keys_are_refused_and_not_shown(
    variable: str,
    store: ArtifactStore,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.put("a.mar", file_of(tmp_path, b"one"))
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(variable, "not-the-right-one")
    wrong = open_artifacts(url)
    for call in (
        lambda: wrong.put("b.mar", file_of(tmp_path, b"two")),
        lambda: wrong.fetch("a.mar", tmp_path / "x"),
        wrong.names,
        lambda: wrong.delete("a.mar"),
    ):
        with pytest.raises(
            AccessRefused,
            match=r"refuses access .* set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) as caught:
            call()
        assert "not-the-right-one" not in f"{caught.value} {caplog.text}"
    assert store.names() == ("a.mar",)


def test_without_keys_the_message_says_where_they_come_from(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{free_port()}/"
    )  # instead of a cloud's own address
    with pytest.raises(AccessRefused, match="there are no credentials"):
        open_artifacts(url).names()


def test_keys_come_from_a_profile_in_the_usual_file(
    url: str, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".aws").mkdir()
    lines = ("[shop]", *(f"{name.lower()} = {value}" for name, value in keys.items()))
    (tmp_path / ".aws" / "credentials").write_text("\n".join(lines))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "shop")
    store = open_artifacts(url)
    store.put("a.mar", file_of(tmp_path, b"one"))
    assert store.names() == ("a.mar",)


def test_a_reader_may_fetch_and_not_put(
    servers: Servers,
    store: ArtifactStore,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.put("a.mar", file_of(tmp_path, b"one"))
    take_keys(monkeypatch, dict(servers.s3_keys("reader")))
    reader = open_artifacts(url)
    assert fetch_bytes(reader, "a.mar", tmp_path) == b"one"
    with pytest.raises(AccessRefused, match="list, read, write and delete in the bucket"):
        reader.put("b.mar", file_of(tmp_path, b"two"))
    with pytest.raises(AccessRefused):
        reader.delete("a.mar")
