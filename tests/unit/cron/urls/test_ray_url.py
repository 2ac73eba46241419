"""URLs of Ray clusters: how many workers train, and where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cron.urls.launchers import RayUrl, parse_ray
from cron.urls.wrong_url import WrongUrl


def test_a_ray_url_names_the_head_and_its_workers() -> None:
    assert parse_ray("ray:") == RayUrl(head=None, least=1, most=1)
    assert parse_ray("ray:?workers=2") == RayUrl(head=None, least=2, most=2)
    assert parse_ray("ray://head:10001?workers=1:4&gpus=1&files=store") == RayUrl(
        head="head:10001", least=1, most=4, needs_gpu=True, uses_store=True
    )


@given(st.integers(1, 99), st.integers(1, 99))
def test_a_range_of_workers_survives_the_url(one: int, other: int) -> None:
    least, most = sorted((one, other))
    url = parse_ray(f"ray:?workers={least}:{most}")
    assert (url.least, url.most) == (least, most)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ray:?workers=4:1", "larger number first"),
        ("ray:?workers=1:2:3", "whole number"),
        ("ray:?workers=0:2", "whole number"),
        ("ray:?gpus=2", "gpus= is 0 or 1"),
        ("ray:?files=mine", "files= is shared or store"),
        ("ray:?nproc=2", "nproc= is not an option"),
        ("ray://head?workers=2", "HOST and PORT"),
    ],
)
def test_a_wrong_ray_url_says_what_is_wrong(url: str, reason: str) -> None:
    with pytest.raises(WrongUrl, match=reason):
        parse_ray(url)
