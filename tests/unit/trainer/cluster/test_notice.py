"""A machine that Ray drains."""

from __future__ import annotations

from trainer.cluster.notice import ends_soon


def test_the_training_ends_shortly_before_the_machine_goes() -> None:
    assert not ends_soon(60_000, now_ms=49_999)
    assert ends_soon(60_000, now_ms=50_000)
    assert ends_soon(60_000, now_ms=70_000)


def test_without_a_deadline_it_goes_on_to_the_end() -> None:
    assert not ends_soon(None, now_ms=1e15)
