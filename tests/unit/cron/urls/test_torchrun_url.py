"""The URL of torchrun: processes of this machine, and other machines that join."""

from __future__ import annotations

import pytest

from cron.urls.launchers import Nodes, TorchrunUrl, parse_torchrun
from cron.urls.wrong_url import WrongUrl


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", TorchrunUrl(num_processes=1)),
        ("nproc=3", TorchrunUrl(num_processes=3)),
        (
            "nproc=2&nnodes=1:4&rdzv=head:29400",
            TorchrunUrl(num_processes=2, nodes=Nodes(least=1, most=4, host="head", port=29400)),
        ),
        (
            "nnodes=1:2&rdzv=head:1&files=store",
            TorchrunUrl(
                num_processes=1,
                nodes=Nodes(least=1, most=2, host="head", port=1),
                uses_store=True,
            ),
        ),
        (
            "nnodes=2&rdzv=[::1]:29400",
            TorchrunUrl(num_processes=1, nodes=Nodes(least=2, most=2, host="::1", port=29400)),
        ),
    ],
)
def test_the_options_say_how_many_and_where(options: str, expected: TorchrunUrl) -> None:
    assert parse_torchrun(f"torchrun:?{options}") == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("nnodes=1:4", "nnodes= and rdzv= go together"),
        ("nproc=2&rdzv=head:29400", "nnodes= and rdzv= go together"),
        ("nnodes=4:1&rdzv=head:29400", "nnodes=4:1 has the larger number first"),
        ("nnodes=0:1&rdzv=head:29400", "nnodes= is a whole number of 1 or more"),
        ("nnodes=1:some&rdzv=head:29400", "nnodes= is a whole number of 1 or more"),
        ("nnodes=1:2&rdzv=head", "rdzv= is HOST:PORT"),
        ("nnodes=1:2&rdzv=head:99999", "Port out of range"),
        ("nnodes=1:2&rdzv=user@head:1", "rdzv= is HOST:PORT"),
        ("files=store", "files=store is for several machines"),
        ("nproc=0", "nproc= is a whole number of 1 or more"),
        ("workers=2", "workers= is not an option"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(options: str, reason: str) -> None:
    with pytest.raises(WrongUrl, match=reason):
        parse_torchrun(f"torchrun:?{options}")
