"""Where the files of a training travel."""

from __future__ import annotations

import pytest

from cron.backends.launch.places import trainings_uri
from cron.urls.stores import parse_artifacts
from trainer.remote_files.store import open_store


@pytest.mark.parametrize(
    ("artifacts", "root"),
    [
        ("file:////srv/archives", "/srv/archives/trainings"),
        (
            "s3://freshet/archives?endpoint=http://127.0.0.1:9000&region=eu-1&style=path",
            "freshet/archives/trainings",
        ),
        ("s3://freshet?region=eu-central-1", "freshet/trainings"),
        (
            "s3://freshet/a?endpoint=https://s3.shop.example&ca=/etc/ssl/shop.pem",
            "freshet/a/trainings",
        ),
    ],
)
def test_trainings_are_stored_beside_the_artifacts(artifacts: str, root: str) -> None:
    store = open_store(trainings_uri(parse_artifacts(artifacts)))
    assert store.root == root


def test_no_key_is_in_the_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    assert "planted" not in trainings_uri(parse_artifacts("s3://freshet/a?region=eu-1"))
