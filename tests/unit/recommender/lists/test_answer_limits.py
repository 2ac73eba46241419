"""Limits on the work of one request and of its batch: free texts, elements, JSON values."""

from __future__ import annotations

import json

import pytest

from recommender.encoder.encoder import CHARACTERS_A_TOKEN
from recommender.lists.answer import answer_batch
from recommender.lists.resolve import CHARS_A_TEXT, MAX_FREE_CHARS, Texts
from recommender.ranking.ranker import Ranker
from recommender.requests.batch_work import MAX_ELEMENTS, SLOT_WORK, SMALL, Work
from recommender.requests.list_rules import first_pool
from recommender.requests.wire import MAX_BODIES, MAX_HISTORY, MAX_K, MAX_VALUES, BadRequest, Busy
from tests.unit.recommender.lists.answers import ask, refusal


def many_texts(ranker: Ranker, chars: int) -> list[str]:
    """Return texts that count this many characters together, and a few more."""
    longest = CHARACTERS_A_TOKEN * ranker.bundle.manifest.encoder.max_tokens
    return [
        f"{number} ".ljust(2 * longest, "x")
        for number in range(chars // (longest + CHARS_A_TEXT) + 1)
    ]


def test_too_much_free_text_is_refused_with_its_field(ranker: Ranker) -> None:
    """The limit is on work: one body of 256 long texts kept the only worker busy for 5 s."""
    many = many_texts(ranker, MAX_FREE_CHARS)
    error = refusal(ranker, {"user_seq": [], "items": many})
    assert error.field == f"items[{len(many) - 1}]"
    assert f"more than {MAX_FREE_CHARS:,} characters" in error.reason
    scores = ask(ranker, {"user_seq": [], "items": many[:-1]})["scores"]
    assert isinstance(scores, list)
    assert len(scores) == len(many) - 1


def test_many_short_texts_count_too(ranker: Ranker) -> None:
    names = [f"t{number}" for number in range(MAX_FREE_CHARS // CHARS_A_TEXT)]
    assert "characters of texts" in refusal(ranker, {"user_seq": [], "items": names}).reason
    scores = ask(ranker, {"user_seq": [], "items": names[:100]})["scores"]
    assert isinstance(scores, list)
    assert len(scores) == 100


def test_a_batch_encodes_no_more_text_than_one_body_may_have(ranker: Ranker) -> None:
    """Requests without free texts are answered too; the others may be sent again."""
    half = many_texts(ranker, MAX_FREE_CHARS // 2)
    others = [f"other {text}" for text in half]
    bodies: list[object] = [
        {"user_seq": [], "items": half},
        {"user_seq": [], "items": half},  # the same texts cost nothing
        {"user_seq": [], "items": others},
        [{"user_seq": [], "items": others}],
        {"user_seq": ["i3"], "k": 1},
        {"user_seq": [], "items": many_texts(ranker, MAX_FREE_CHARS)},
    ]
    first, same, second, listed, plain, too_large = answer_batch(ranker, bodies)
    assert isinstance(first, dict)
    assert first == same
    assert isinstance(second, Busy)
    assert isinstance(listed, Busy)
    assert isinstance(plain, dict)
    assert isinstance(too_large, BadRequest | Busy)
    assert isinstance(answer_batch(ranker, [bodies[2]])[0], dict)


def test_texts_of_a_refused_request_do_not_count_for_the_batch() -> None:
    texts = Texts(chars_read=MAX_FREE_CHARS)
    texts.next_request()
    texts.row("kept", field="x")
    texts.next_request()
    with pytest.raises(BadRequest):
        texts.row("x" * MAX_FREE_CHARS, field="x")
    texts.row("y" * (MAX_FREE_CHARS // 2), field="x")
    texts.drop_request()
    assert list(texts.rows) == ["kept"]
    assert texts.row("y" * (MAX_FREE_CHARS // 2), field="x") == 1


def test_all_bodies_of_one_request_share_a_limit(ranker: Ranker) -> None:
    """A list of bodies is limited as a whole.

    Nineteen histories of 100,000 elements fit into 8 MB. They kept the only worker busy for 8 s, or
    for 24 s during a training.
    """
    long = {"user_seq": ["i3"] * MAX_HISTORY, "k": 1}
    error = refusal(ranker, [long] * 3)
    assert error.reason.startswith(
        "body: found 300,003 elements in user_seq, items, exclude, candidates and items asked for"
    )
    assert f"at most {MAX_ELEMENTS:,} in one request" in error.reason
    # The error comes last, so all of it is read.
    wrong = {"user_seq": [*["i3"] * (MAX_HISTORY - 1), None], "k": 1}
    assert "elements" in refusal(ranker, [wrong] * 3).reason
    assert isinstance(answer_batch(ranker, [[long, long]])[0], list)


def test_a_batch_answers_large_requests_up_to_a_limit(ranker: Ranker) -> None:
    """Thirty-two of them together took 6 GB, and longer than TorchServe waits for a worker."""
    long = json.dumps({"user_seq": ["i3"] * MAX_HISTORY, "k": 1}).encode()
    much = json.dumps([{"user_seq": [], "k": MAX_K}] * MAX_BODIES).encode()
    small = json.dumps({"user_seq": ["i3"] * (SMALL - 10), "k": 1}).encode()
    first, second, third, fourth, small_one = answer_batch(ranker, [long, long, long, much, small])
    assert isinstance(first, dict)
    assert first == second
    assert isinstance(third, Busy)
    assert isinstance(fourth, Busy)
    assert isinstance(small_one, dict)
    assert isinstance(answer_batch(ranker, [much])[0], list)


def test_json_of_a_batch_is_parsed_up_to_a_limit(ranker: Ranker) -> None:
    junk = b"[" + b"[]," * (MAX_VALUES * 2 // 5) + b"[]]"  # four fifths of the values of a body
    answers = answer_batch(ranker, [junk, junk, {"user_seq": [], "k": 1}])
    assert [type(answer) for answer in answers] == [BadRequest, Busy, dict]


def test_long_lists_by_a_policy_fill_a_batch_sooner() -> None:
    """Their slots cost more than their items; new items count too."""
    policy = {"name": "greedy", "seed": 1, "new_items": {"share": 0.5, "ids": ["i1"] * 1_000}}
    body = {"user_seq": [], "k": 1_000, "policy": policy}
    fit = MAX_ELEMENTS // (SLOT_WORK * first_pool(1_000) + 1_000)
    work = Work()
    for _ in range(fit):
        work.take(body)
    with pytest.raises(Busy):
        work.take(body)
