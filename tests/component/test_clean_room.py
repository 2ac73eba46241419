"""The archive alone, without a checkout; its handler is called like TorchServe calls it.

The other half, that HTTP gives these answers too, is in tests/system/test_endpoint.py, on the same
requests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from recommender.bundle import load_bundle
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import BadRequest
from tests import pictured
from tests.planted import planted_bundle
from trainer.archive import pack, unpack_bundle

REQUESTS: list[object] = [
    {"user_seq": ["Thing 3 (1990)", {"id": "i8", "rating": 2}], "item_desc": "Thing 7 (1990)"},
    {
        "user_seq": ["i1", "a text that no catalogue holds"],
        "items": ["i4", {"text": "odd loud red"}],
    },
    {"user_seq": [], "k": 5, "filter": {"genre": "Even"}},
    {"user_seq": [], "k": 0},
    {"similar_to": "calm blue things", "k": 3},
    [{"user_seq": ["i2"], "k": 2}, {"nonsense": 1}],
    *pictured.REQUESTS,
]

# Runs without site of the user, PYTHONPATH or working directory on its path; it may import the
# archive and installed packages only.
DRIVER = """
import gc, importlib.util, json, sys
model_dir, requests = sys.argv[1], json.load(sys.stdin)
if {checked}:
    reachable = [name for name in ("trainer", "handler", "cron") if importlib.util.find_spec(name)]
    assert not reachable, f"the checkout can be imported: {{reachable}}"
sys.path.insert(0, model_dir)

class Context:
    system_properties = {{"model_dir": model_dir}}
    manifest = json.load(open(model_dir + "/MAR-INF/MANIFEST.json"))
    metrics = None
    def __init__(self): self.statuses = {{}}
    def set_response_status(self, code=200, phrase="", idx=0): self.statuses[idx] = code
    def get_request_header(self, idx, key): return None
    def set_response_content_type(self, idx, value): assert value == "application/json"

import inspect, recommend
members = inspect.getmembers(recommend, inspect.isclass)
classes = [one for _, one in members if one.__module__ == "recommend"]
assert len(classes) == 1, f"TorchServe wants exactly one class, found {{classes}}"
handler, context = classes[0](), Context()
handler.initialize(context)
answers = handler.handle([{{"body": request}} for request in requests], context)
num_visited = len(gc.get_objects())
assert num_visited < 20_000, f"answers wait while a collection visits {{num_visited}} objects"
statuses = [context.statuses.get(i, 200) for i in range(len(answers))]
json.dump([[status, json.loads(a)] for status, a in zip(statuses, answers)], sys.stdout)
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    pictured.pictured_bundle(folder, "clip")
    return pack(bundle=folder / "bundle", version=12, out=folder)


@pytest.fixture(scope="module")
def model_dir(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean-room")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder


def drive(model_dir: Path, requests: list[object]) -> list[tuple[int, object]]:
    argv = [sys.executable, "-I", "-c", DRIVER.format(checked=True), str(model_dir)]
    done = subprocess.run(
        argv,
        input=json.dumps(requests),
        cwd=model_dir.parent,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(status, answer) for status, answer in json.loads(done.stdout)]


def test_the_unpacked_archive_answers_as_the_in_process_ranker(
    archive: Path, model_dir: Path, tmp_path: Path
) -> None:
    answers_alike(archive, model_dir, tmp_path)


def test_so_does_an_archive_of_the_sketch(tmp_path: Path) -> None:
    planted_bundle(tmp_path / "packed", tower="sketch", encoder="tiny")
    archive = pack(bundle=tmp_path / "packed", version=12, out=tmp_path)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "clean-room")
    answers_alike(archive, tmp_path / "clean-room", tmp_path)


def answers_alike(archive: Path, model_dir: Path, tmp_path: Path) -> None:
    ranker = Ranker(load_bundle(unpack_bundle(archive, tmp_path / "bundle")))
    for (status, found), expected in zip(
        drive(model_dir, REQUESTS), answer_batch(ranker, REQUESTS), strict=True
    ):
        if isinstance(expected, BadRequest):
            assert status == 400
            assert found == {
                "error": {"field": expected.field, "reason": expected.reason},
                "model_version": 12,
            }
        elif isinstance(expected, list):
            assert (status, found) == (200, [one | {"model_version": 12} for one in expected])
        else:
            assert isinstance(expected, dict)
            assert (status, found) == (200, expected | {"model_version": 12})


def test_a_list_in_which_nothing_is_right_is_a_400(model_dir: Path) -> None:
    ((status, answers),) = drive(model_dir, [[{}, {"k": 1}]])
    assert status == 400
    assert isinstance(answers, list)
    assert [one["error"]["field"] for one in answers] == ["body", "user_seq"]


def test_one_that_breaks_us_is_a_500_and_its_neighbours_live(
    model_dir: Path, tmp_path: Path
) -> None:
    """Break the ranker of a copy for one user only, as a bug would."""
    broken = tmp_path / "broken"
    subprocess.run(["cp", "-r", str(model_dir), str(broken)], check=True)
    answer = broken / "recommender" / "lists" / "answer.py"
    line = "    texts = texts_of_batch(ranker)\n"
    assert line in answer.read_text()
    answer.write_text(
        answer.read_text().replace(line, f"{line}    assert 'break me' not in repr(bodies)\n", 1)
    )
    fine: dict[str, object] = {"user_seq": [], "k": 1}
    statuses = [
        status
        for status, _ in drive(broken, [fine, {"user_seq": ["break me"], "k": 1}, fine, {"k": 0}])
    ]
    assert statuses == [200, 500, 200, 400]


def test_the_handler_refuses_code_that_is_not_the_archives(model_dir: Path) -> None:
    """A server started with PYTHONPATH would serve a checkout's code under a release's name."""
    checkout = str(Path(__file__).parents[2])
    program = f"import sys; sys.path.insert(0, {checkout!r}); import recommender\n" + DRIVER.format(
        checked=False
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(model_dir)],
        input="[]",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "not from the archive" in done.stderr
