"""The archive of a writer: packed, unpacked, and answered from by its own code alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from copywriter.writing.sampling import Sampling
from copywriter.writing.writer import MAX_WAIT_S, WriterError
from copywriter.writing.writer_bundle import make_writer_bundle, open_writer_bundle
from cron.project_root import PROJECT_ROOT
from handler.write_copy import read_request
from tests.film_briefs import film_brief
from tests.tiny_writer import write_tiny_causal_model
from trainer.archive import COPY, pack, verify_bundle

# what TorchServe's worker does with the handler, in a process that sees the archive alone
CLEAN_ROOM = """
import json, sys
from types import SimpleNamespace
from write_copy import WriteCopy
statuses = {}
context = SimpleNamespace(
    system_properties={"model_dir": sys.argv[1]},
    manifest={"model": {"modelVersion": "3"}},
    set_response_content_type=lambda index, value: None,
    set_response_status=lambda code, phrase, idx: statuses.__setitem__(idx, code),
)
writer = WriteCopy()
writer.initialize(context)
answers = writer.handle([{"body": one} for one in json.loads(sys.argv[2])], context)
print(json.dumps([statuses, *map(json.loads, answers)]))
"""
SAMPLING = Sampling(max_tokens=8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_causal_model(tmp_path_factory.mktemp("writer") / "model")


def body_of(**changes: object) -> dict[str, object]:
    brief = json.loads(film_brief().as_json())
    return {"briefs": [brief], "seed": 1, "within_s": 30.0, **changes}


def test_an_archive_answers_with_its_own_code(tmp_path: Path, model: Path) -> None:
    digest = make_writer_bundle(
        tmp_path / "bundle", str(model), prompts=None, sampling=SAMPLING, pack=True
    )
    verify_bundle(tmp_path / "bundle")
    mar = pack(bundle=tmp_path / "bundle", version=3, out=tmp_path / "out", kind=COPY)
    assert mar.name.startswith("copy-3-")
    with zipfile.ZipFile(mar) as archive:
        archive.extractall(tmp_path / "room")
    bodies = json.dumps([body_of(), {"briefs": []}])
    room = str(tmp_path / "room")
    env = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "PYTHONPATH": room}
    done = subprocess.run(
        [sys.executable, "-c", CLEAN_ROOM, room, bodies],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    statuses, good, bad = json.loads(done.stdout.splitlines()[-1])
    assert statuses == {"1": 400}
    expected = open_writer_bundle(tmp_path / "bundle").write([film_brief()], seed=1, within_s=30.0)
    assert good["texts"] == list(expected.texts)
    assert (good["writer"], good["model_version"]) == (digest, 3)
    assert "expected 1 to" in bad["error"]["reason"]


def test_a_model_by_name_must_be_the_released_one(tmp_path: Path, model: Path) -> None:
    """A node whose weights differ would write other texts under the same digest."""
    bundle = tmp_path / "bundle"
    make_writer_bundle(bundle, str(model), prompts=None, sampling=SAMPLING, pack=False)
    assert not (bundle / "model").exists()
    open_writer_bundle(bundle)
    file = json.loads((bundle / "writer.json").read_text())
    other = write_tiny_causal_model(tmp_path / "other", scale=0.5)
    (bundle / "writer.json").write_text(json.dumps({**file, "model": str(other)}))
    with pytest.raises(WriterError, match="is not the one that was released"):
        open_writer_bundle(bundle)


def test_an_editors_prompts_are_in_the_bundle(tmp_path: Path, model: Path) -> None:
    own = tmp_path / "own" / "en"
    own.mkdir(parents=True)
    text = 'instruction = "Praise."\n[tones]\n[[examples]]\ntext = "See it."\nitems = []\n'
    (own / "row_title.toml").write_text(text)
    bundle = tmp_path / "bundle"
    make_writer_bundle(bundle, str(model), prompts=tmp_path / "own", sampling=SAMPLING, pack=False)
    assert (bundle / "prompts" / "en" / "row_title.toml").read_text() == text
    assert (bundle / "prompts" / "zh" / "row_title.toml").is_file()


@pytest.mark.parametrize(
    "body",
    [b"[]", b"no json", {"briefs": [{"kind": "poem"}]}, body_of(seed="x"), body_of(within_s=-1)],
)
def test_a_bad_request_is_refused(body: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_request(body)


def test_a_request_is_read_as_bytes_or_parsed() -> None:
    briefs, seed, within_s = read_request(json.dumps(body_of()).encode())
    assert (briefs, seed, within_s) == ([film_brief()], 1, 30.0)
    assert read_request(body_of()) == (briefs, seed, within_s)


def test_an_answer_within_its_time_is_not_dropped() -> None:
    """TorchServe drops what comes later than this, and a writer may be given two minutes."""
    settings = yaml.safe_load((PROJECT_ROOT / "handler" / COPY.worker_settings).read_text())
    assert settings["clientTimeoutInMills"] > 1_000 * MAX_WAIT_S
    assert settings["responseTimeout"] > MAX_WAIT_S
