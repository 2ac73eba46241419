"""The command by which a machine helps the trainings of another one."""

from __future__ import annotations

import pytest

from trainer.join import main
from trainer.machine.elastic_agent import ElasticAgent, Endpoint

AGENT = ElasticAgent(
    endpoint=Endpoint(host="head", port=29400), num_processes=2, min_nodes=1, max_nodes=4
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rdzv", "head", "--nnodes", "1:4"],
        ["--rdzv", "head:port", "--nnodes", "1:4"],
        ["--rdzv", "head:29400", "--nnodes", "some"],
    ],
)
def test_wrong_options_say_where_they_come_from(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert "as in the launcher's URL" in capsys.readouterr().err


def test_both_machines_name_the_same_training() -> None:
    host, helper = (
        AGENT.command("python", address=address, is_host=is_host, of_trainer=())
        for address, is_host in (("head", True), ("10.0.0.2", False))
    )
    differ = [words for words in zip(host, helper, strict=True) if words[0] != words[1]]
    assert [words[0].partition("=")[0] for words in differ] == ["--rdzv-conf", "--local-addr"]
    assert {"--rdzv-endpoint=head:29400", "--nnodes=1:4", "--nproc-per-node=2"} < set(host)
