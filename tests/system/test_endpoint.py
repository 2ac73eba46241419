"""The endpoint on a real TorchServe: good requests as in process, bad ones are 400.

.venv/bin/python -m pytest tests/system/test_endpoint.py
"""

from __future__ import annotations

import gzip
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from recommender.bundle import load_bundle
from recommender.lists.answer import answer_batch
from recommender.ranking.ranker import Ranker
from recommender.requests.wire import BadRequest
from tests.component.test_clean_room import REQUESTS
from tests.pictured import pictured_bundle
from tests.system.machine import until
from tests.system.torchserve import Running, open_node, running_torchserve, stop
from tests.unit.recommender.lists.test_answer import same
from trainer.archive import pack

FENCE = 100  # answers of one list, more than all that were not counted yet
JSON = {"Content-Type": "application/json"}
GOOD: dict[str, object] = {"user_seq": ["i3", "Thing 5 (1990)"], "k": 3}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("endpoint")
    pictured_bundle(folder, "clip")
    return folder / "bundle"


@pytest.fixture(scope="module")
def node(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with one release; at the end the very same worker must still be there."""
    with (
        running_torchserve(tmp_path_factory.mktemp("node")) as running,
        open_node(running) as server,
    ):
        server.register(1, pack(bundle=bundle, version=1, out=running.store).name)
        workers = running.worker_pids()
        yield running
        assert {*workers} <= {*running.worker_pids()}, "a worker died of a request"


def post(node: Running, content: bytes, headers: dict[str, str] = JSON) -> httpx.Response:
    return httpx.post(node.predictions, content=content, headers=headers, timeout=60)


def test_http_answers_as_the_in_process_ranker(node: Running, bundle: Path) -> None:
    for request, expected in zip(
        REQUESTS, answer_batch(Ranker(load_bundle(bundle)), REQUESTS), strict=True
    ):
        answer = httpx.post(f"{node.predictions}/1", json=request, timeout=60)
        assert answer.headers["content-type"] == "application/json"
        if isinstance(expected, BadRequest):
            assert answer.status_code == 400
            assert answer.json()["error"] == {"field": expected.field, "reason": expected.reason}
        else:
            assert isinstance(expected, dict | list)
            versioned = (
                [one | {"model_version": 1} for one in expected]
                if isinstance(expected, list)
                else expected | {"model_version": 1}
            )
            assert answer.status_code == 200
            assert same(answer.json(), versioned)


RIGHT: list[tuple[str, bytes]] = [
    ("an empty history", b'{"user_seq": [], "k": 1}'),
    ("ids that look like numbers", b'{"user_seq": [17, "17", {"id": 17}], "k": 1}'),
    ("emoji", '{"user_seq": ["\U0001f3ac\U0001f37f", "\u4e2d\u6587"], "k": 1}'.encode()),
    ("escaped emoji", b'{"user_seq": ["\\ud83c\\udfac"], "k": 1}'),
    ("ten thousand elements", json.dumps({"user_seq": ["i1", "a text"] * 5_000, "k": 1}).encode()),
    (
        "a text of twenty thousand characters",
        json.dumps({"user_seq": [], "item_desc": "word " * 4_000}).encode(),
    ),
    ("white space around", b'\n {"user_seq": [], "k": 1} \n'),
]


@pytest.mark.parametrize(
    "content", [content for _, content in RIGHT], ids=[name for name, _ in RIGHT]
)
def test_unusual_but_right_input_is_answered(node: Running, content: bytes) -> None:
    answer = post(node, content)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model_version"] == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "application/json; charset=utf-8"}, {"Content-Type": "text/plain"}],
)
def test_json_is_json_whatever_its_content_type(node: Running, headers: dict[str, str]) -> None:
    assert post(node, json.dumps(GOOD).encode(), headers).status_code == 200


WRONG: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "body"),
    ("malformed JSON", b'{"user_seq": [', "body"),
    ("no UTF-8", b'{"user_seq": ["\xff"], "k": 1}', "body"),
    ("nested too deeply", b"[" * 100_000, "body"),
    ("a number", b"17", "body"),
    ("an empty list", b"[]", "body"),
    ("nothing asked", b"{}", "body"),
    ("two things asked", b'{"user_seq": [], "k": 1, "items": ["a"]}', "body"),
    ("an unknown field", b'{"user_seq": [], "k": 1, "kk": 1}', "kk"),
    ("a string for a list", b'{"user_seq": "Toy Story", "k": 1}', "user_seq"),
    ("no items", b'{"user_seq": [], "items": []}', "items"),
    ("an unknown id", b'{"user_seq": [], "items": [{"id": "nobody"}]}', "items[0]"),
    ("k of zero", b'{"user_seq": [], "k": 0}', "k"),
    ("k of a million", b'{"user_seq": [], "k": 1000000}', "k"),
    ("k of four hundred digits", b'{"user_seq": [], "k": ' + b"9" * 400 + b"}", "k"),
    ("k of ten thousand digits", b'{"user_seq": [], "k": ' + b"9" * 10_000 + b"}", "body"),
    ("k of true", b'{"user_seq": [], "k": true}', "k"),
    ("a NaN rating", b'{"user_seq": [{"id": "i1", "rating": NaN}], "k": 1}', "user_seq[0].rating"),
    (
        "an infinite rating",
        b'{"user_seq": [{"id": "i1", "rating": 1e999}], "k": 1}',
        "user_seq[0].rating",
    ),
    ("a lone surrogate", b'{"user_seq": ["\\ud800"], "k": 1}', "user_seq[0]"),
    ("a bool for an id", b'{"user_seq": [true], "k": 1}', "user_seq[0]"),
    (
        "an unknown attribute",
        b'{"user_seq": [], "k": 1, "filter": {"colour": "red"}}',
        "filter.colour",
    ),
    (
        "five megabytes of text",
        b'{"user_seq": [], "item_desc": "' + b"x" * 5_000_000 + b'"}',
        "item_desc",
    ),
]


@pytest.mark.parametrize(
    ("content", "field"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_wrong_input_is_a_400_that_names_its_field(
    node: Running, content: bytes, field: str
) -> None:
    answer = post(node, content)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["field"] == field
    assert error["reason"].startswith(f"{field}: found ")
    assert ", expected " in error["reason"]


FORM, PARTS = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
TEXT = json.dumps(GOOD).encode()
PACKED = gzip.compress(TEXT)
# (what, its headers, the body, the status, whose answer that is)
KINDS: list[tuple[str, dict[str, str], bytes, int, str]] = [
    ("JSON", JSON, TEXT, 200, "ours"),
    (
        "JSON with another charset",
        {"Content-Type": "application/json; charset=latin-1"},
        TEXT,
        200,
        "ours",
    ),
    ("JSON without a type", {}, TEXT, 200, "ours"),
    ("JSON as bytes", {"Content-Type": "application/octet-stream"}, TEXT, 200, "ours"),
    ("JSON as a type that is none", {"Content-Type": "no type"}, TEXT, 200, "ours"),
    (
        "JSON as parts without a boundary",
        {"Content-Type": "multipart/form-data"},
        TEXT,
        200,
        "ours",
    ),
    (
        "JSON as the part body",
        {"Content-Type": PARTS},
        b'--b\r\nContent-Disposition: form-data; name="body"\r\n\r\n%b\r\n--b--' % TEXT,
        200,
        "ours",
    ),
    ("JSON that is called a form", {"Content-Type": FORM}, TEXT, 400, "ours"),
    ("a form", {"Content-Type": FORM}, b"user_seq=a&k=3", 400, "ours"),
    ("an empty form", {"Content-Type": FORM}, b"", 400, "ours"),
    (
        "parts",
        {"Content-Type": PARTS},
        b'--b\r\nContent-Disposition: form-data; name="k"\r\n\r\n3\r\n--b--',
        400,
        "ours",
    ),
    ("parts that are none", {"Content-Type": PARTS}, b"x", 400, "ours"),
    ("packed JSON", {**JSON, "Content-Encoding": "gzip"}, PACKED, 400, "ours"),
    ("bytes", {"Content-Type": "image/png"}, bytes(range(256)), 400, "ours"),
    # a form that is not well formed never reaches our handler: TorchServe says what is wrong with
    # it, with a status of its own
    ("a form with a percent sign", {"Content-Type": FORM}, b"a=100%", 500, "TorchServe's"),
    (
        "JSON with a percent sign that is called a form",
        {"Content-Type": FORM},
        b'{"user_seq": ["a=100%zz"], "k": 3}',
        500,
        "TorchServe's",
    ),
    ("a form without a name", {"Content-Type": FORM}, b"=1", 500, "TorchServe's"),
]


@pytest.mark.parametrize(
    ("headers", "content", "status", "whose"),
    [row[1:] for row in KINDS],
    ids=[row[0] for row in KINDS],
)
def test_each_kind_of_body_has_its_answer(
    node: Running, headers: dict[str, str], content: bytes, status: int, whose: str
) -> None:
    answer = post(node, content, headers)
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["error"]["field"] == "body"
    if whose == "TorchServe's":
        assert answer.json()["type"] == "ErrorDataDecoderException"


def test_a_body_in_chunks_is_read_whole(node: Running) -> None:
    answer = httpx.post(
        node.predictions, content=iter([TEXT[:9], TEXT[9:]]), headers=JSON, timeout=60
    )
    assert answer.status_code == 200


def test_a_form_is_refused_since_it_is_not_json(node: Running) -> None:
    answer = post(
        node, json.dumps(GOOD).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 400
    assert "Content-Type: application/json" in answer.json()["error"]["reason"]


def test_a_body_over_the_servers_limit_is_413(node: Running) -> None:
    assert (
        post(node, b'{"user_seq": [], "item_desc": "' + b"x" * 9_000_000 + b'"}').status_code == 413
    )


def test_a_version_that_is_not_there_is_404(node: Running) -> None:
    assert httpx.post(f"{node.predictions}/99", json=GOOD, timeout=60).status_code == 404


def metrics(node: Running) -> dict[str, float]:
    """Return what Prometheus is shown: values by series."""
    page = httpx.get(f"http://127.0.0.1:{node.ports.metrics}/metrics", timeout=60).text
    pairs = [
        line.rpartition(" ")[::2] for line in page.splitlines() if line and not line.startswith("#")
    ]
    return {series: float(value) for series, value in pairs}


def answers(node: Running, status: int) -> float:
    labels = f'freshet_answers{{model_name="rec",status="{status}",'
    return sum(value for series, value in metrics(node).items() if series.startswith(labels))


def wait_for_answers(node: Running, status: int, wanted: float) -> None:
    """Wait until as many are counted: TorchServe reads its workers' output when it comes to it."""
    until(lambda: answers(node, status) >= wanted, "counted answers", limit_s=60)


def count_all(node: Running) -> None:
    """Return once all that was answered so far is counted: a worker reports in order."""
    before = answers(node, 200)
    assert httpx.post(node.predictions, json=[GOOD] * FENCE, timeout=60).status_code == 200
    wait_for_answers(node, 200, before + FENCE)


def test_prometheus_counts_answers_by_status(node: Running) -> None:
    count_all(node)
    before = answers(node, 200), answers(node, 400)
    for body in (GOOD, GOOD, {"k": 0}, [GOOD, {"k": 0}]):
        httpx.post(node.predictions, json=body, timeout=60)
    count_all(node)
    assert (answers(node, 200), answers(node, 400)) == (before[0] + 3 + FENCE, before[1] + 2)


def test_a_release_adds_no_series_to_the_metrics_page(node: Running, bundle: Path) -> None:
    """TorchServe never drops one: 21 a release were 1.5 MB of page a day."""
    pages = []
    with open_node(node) as server:
        for version in (2, 3):
            server.register(version, pack(bundle=bundle, version=version, out=node.store).name)
            before = answers(node, 200)
            server.predict(version, [GOOD] * FENCE, timeout_s=60)
            wait_for_answers(node, 200, before + FENCE)
            server.unregister(version)
            pages.append(metrics(node).keys())
    assert pages[0] == pages[1]
    assert not [series for series in pages[1] if "version" in series]


def test_bad_requests_in_a_batch_leave_the_good_ones_unharmed(node: Running) -> None:
    alone = httpx.post(node.predictions, json=GOOD, timeout=60).json()
    contents = [
        json.dumps(GOOD).encode(),
        *(content for _, content, _ in WRONG if len(content) < 200_000),
    ] * 4
    with (
        ThreadPoolExecutor(24) as pool,
        httpx.Client(limits=httpx.Limits(max_connections=24), timeout=60) as client,
    ):
        answers = list(
            pool.map(
                lambda content: client.post(node.predictions, content=content, headers=JSON),
                contents,
            )
        )
    for content, answer in zip(contents, answers, strict=True):
        if json.dumps(GOOD).encode() == content:
            assert answer.status_code == 200
            assert same(answer.json(), alone)
        else:
            assert answer.status_code == 400


def test_a_killed_server_ends_its_workers(bundle: Path, tmp_path: Path) -> None:
    with running_torchserve(tmp_path) as first, open_node(first) as server:
        name = pack(bundle=bundle, version=1, out=first.store).name
        server.register(1, name)
        stop(first.process, with_signal=signal.SIGKILL)
    with running_torchserve(tmp_path, ports=first.ports) as second, open_node(second) as server:
        assert server.versions() == ()
        server.register(1, name)
        assert httpx.post(second.predictions, json=GOOD, timeout=60).status_code == 200
