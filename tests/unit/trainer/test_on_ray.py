"""Joining a Ray cluster whose head sometimes drops a connection."""

from __future__ import annotations

import pytest

from trainer.cluster.joining import join
from trainer.cluster.messages import IN_VAIN, UNFIT
from trainer.machine.sentences import is_final
from trainer.on_ray import sentence


def dropping(times: int, error: Exception, calls: list[int]) -> None:
    """Raise an error in the first `times` calls."""
    calls.append(1)
    if len(calls) <= times:
        raise error


def test_a_dropped_connection_is_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[int] = []
    join(
        lambda: dropping(
            2,
            ConnectionAbortedError(
                "Initialization failure from server:\nStarting Ray client server failed."
            ),
            calls,
        )
    )
    assert len(calls) == 3
    printed = capsys.readouterr().err
    assert printed.count("Starting Ray client server failed.") == 2
    assert "trainer: " not in printed  # which would be taken for the trainer's last sentence


@pytest.mark.parametrize(
    ("error", "tries"), [(ConnectionAbortedError("gone"), 5), (ConnectionError("no such host"), 1)]
)
def test_a_head_that_never_answers_is_an_error(error: Exception, tries: int) -> None:
    calls: list[int] = []
    with pytest.raises(type(error), match=str(error)):
        join(lambda: dropping(99, error, calls))
    assert len(calls) == tries


def test_errors_of_the_input_and_of_the_cluster_are_told_apart() -> None:
    of_the_input = (
        "ray::rank()\nRuntimeError: the trainer can't use its input: no-snapshot is not a snapshot"
    )
    assert sentence(RuntimeError(of_the_input)) == "trainer: on Ray: no-snapshot is not a snapshot"
    assert sentence(RuntimeError("lost\nnode 7 died")) == "trainer: machine: on Ray: node 7 died"


def test_a_lost_cluster_is_tried_again_but_not_in_vain() -> None:
    assert not is_final(sentence(RuntimeError("the head died"), has_joined=True))
    assert is_final(sentence(RuntimeError("no such host")))
    assert is_final(sentence(RuntimeError(f"node 7 died ({IN_VAIN})"), has_joined=True))
    assert is_final(sentence(RuntimeError(f"{UNFIT}no events"), has_joined=True))


def test_refused_keys_name_who_needs_them() -> None:
    """The head too, where Ray's controller writes into the bucket."""
    refused = "OSError: 'freshet': AWS Error ACCESS_DENIED during HeadBucket operation: No body."
    said = sentence(RuntimeError(refused), has_joined=True)
    assert (
        "No body. With files=store, the head and the machines of the cluster need the keys" in said
    )
    assert "need the keys" not in sentence(RuntimeError("node 7 died"), has_joined=True)


def test_an_error_of_the_connection_says_what_happened() -> None:
    rpc = '<_InactiveRpcError of RPC:\n\tstatus = UNAVAILABLE\n\tdetails = "no head there"\n>'
    assert sentence(RuntimeError(rpc)) == "trainer: machine: on Ray: no head there"
