"""A writer behind an OpenAI-compatible API, against a real HTTP server."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from copywriter.writing.prompts import load_prompts
from cron.copy.remote_writer import RemoteOptions, RemoteWriter
from cron.copy_errors import WriterRefused
from cron.errors import AccessRefused, Unavailable
from cron.urls.writers import RemoteWriterUrl
from tests.film_briefs import film_brief
from tests.unit.cron.copy.chat_server import ChatServer, Reply, chat_server, completion

BLUE, RED = film_brief("Blue Train"), film_brief("Red Boat")


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def writer_of(
    server: ChatServer, *, key: str | None = None, timeout_s: float = 60.0, rules: str = "r1"
) -> RemoteWriter:
    url = RemoteWriterUrl(root=server.root, model="deepseek-chat")
    options = RemoteOptions(temperature=0.3, timeout_s=timeout_s, at_once=2)
    return RemoteWriter(url, load_prompts(), options, key=key, rules=rules)


def test_other_rules_make_another_writer(server: ChatServer) -> None:
    """What was accepted by the rules before is not shown as if these had accepted it."""
    assert writer_of(server).digest == writer_of(server).digest
    assert writer_of(server).digest != writer_of(server, rules="r2").digest


def test_a_prompt_is_sent_as_the_api_wants_it(server: ChatServer) -> None:
    server.reply = lambda number: (200, completion(" Blue Train is a drama. \nMore"))
    answer = writer_of(server, key="k1").write([BLUE], seed=3, within_s=60.0)
    assert answer.texts == ("Blue Train is a drama.",)
    assert (answer.prompt_tokens, answer.output_tokens) == (50, 9)
    ((headers, body),) = server.requests
    assert headers["Authorization"] == "Bearer k1"
    assert (body["model"], body["temperature"], body["stop"]) == ("deepseek-chat", 0.3, ["\n"])
    turns = load_prompts().prompt(BLUE).turns()
    assert body["messages"] == [{"role": turn.role, "content": turn.content} for turn in turns]
    assert "Authorization" not in str(body)


def test_without_a_key_none_is_sent(server: ChatServer) -> None:
    writer_of(server).write([BLUE], seed=0, within_s=60.0)
    assert "Authorization" not in server.requests[0][0]


def test_equal_seeds_ask_the_same(server: ChatServer) -> None:
    for seed in (1, 1, 2):
        writer_of(server).write([BLUE], seed=seed, within_s=60.0)
    first, second, third = [body["seed"] for _, body in server.requests]
    assert first == second != third


def test_a_busy_server_is_asked_again(server: ChatServer) -> None:
    replies: list[Reply] = [(429, {}), (503, {}), (200, completion("A."))]
    server.reply = lambda number: replies[number - 1]
    assert writer_of(server).write([BLUE], seed=0, within_s=120.0).texts == ("A.",)


def test_one_failure_of_many_leaves_the_others(server: ChatServer) -> None:
    server.reply = lambda number: (200, completion("A.")) if number == 1 else (400, {"error": "?"})
    answer = writer_of(server).write([BLUE, RED], seed=0, within_s=60.0)
    assert sorted(map(str, answer.texts)) == ["A.", "None"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {}, AccessRefused),
        (400, {"error": {"message": "no such model"}}, WriterRefused),
        (200, b"<html>", WriterRefused),
        (200, {"object": "list"}, WriterRefused),
    ],
)
def test_a_refusal_is_reported_and_not_repeated(
    server: ChatServer, status: int, body: object, error: type[Exception]
) -> None:
    server.reply = lambda number: (status, body)
    with pytest.raises(error):
        writer_of(server, key="k1").write([BLUE], seed=0, within_s=60.0)
    assert len(server.requests) == 1


def test_the_key_is_in_no_message(server: ChatServer) -> None:
    server.reply = lambda number: (403, {})
    with pytest.raises(AccessRefused) as refused:
        writer_of(server, key="secret-key").write([BLUE], seed=0, within_s=60.0)
    assert "secret-key" not in str(refused.value)
    assert "FRESHET_COPY_KEY" in str(refused.value)


def test_a_server_that_hangs_costs_the_deadline_only(server: ChatServer) -> None:
    released = threading.Event()

    def reply(number: int) -> Reply:
        released.wait(60.0)
        return 200, completion("late")

    server.reply = reply
    try:
        with pytest.raises(Unavailable):
            writer_of(server).write([BLUE], seed=0, within_s=3.0)
    finally:
        released.set()


def test_a_server_that_is_away_is_unavailable() -> None:
    away = ChatServer(root="http://127.0.0.1:9/v1")
    with pytest.raises(Unavailable):
        writer_of(away).write([BLUE], seed=0, within_s=0.5)


def test_without_time_nothing_is_asked(server: ChatServer) -> None:
    assert writer_of(server).write([BLUE], seed=0, within_s=0.0).texts == (None,)
    assert server.requests == []


def test_thoughts_of_a_model_that_reasons_are_left_out(server: ChatServer) -> None:
    server.reply = lambda number: (200, completion("<think>Hm.\nWell.</think>\n\nA drama."))
    assert writer_of(server).write([BLUE], seed=0, within_s=60.0).texts == ("A drama.",)


def test_an_answer_without_text_is_an_empty_one(server: ChatServer) -> None:
    message = {"role": "assistant", "content": None}
    server.reply = lambda number: (200, {"choices": [{"message": message}]})
    answer = writer_of(server).write([BLUE], seed=0, within_s=60.0)
    assert (answer.texts, answer.output_tokens) == (("",), 0)
