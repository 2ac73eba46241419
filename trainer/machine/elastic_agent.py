"""The command of torchrun's agent, one on each machine of a training. Torch-free."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# How often an agent starts its ranks again itself. The launcher starts an agent that has given up
# again, as long as checkpoints advance.
MAX_RESTARTS = 3
# Seconds that a round waits for more machines once it has the least number of them.
LAST_CALL_S = 3
# A machine that has not answered for three times so many seconds is out of the round.
KEEP_ALIVE_S = 2
RUN_ID = "freshet"
# Each round gets a store of its own. In a store that rounds share, the first rank's address of an
# earlier round would be found.
ENVIRONMENT: Mapping[str, str] = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the agents of all machines meet: an address of the machine that starts trainings."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElasticAgent:
    """An agent: its ranks, and how many agents a training may have."""

    endpoint: Endpoint
    num_processes: int
    min_nodes: int
    max_nodes: int

    def command(
        self, python: str, *, address: str, is_host: bool, of_trainer: Sequence[str]
    ) -> tuple[str, ...]:
        """Return the command; `address` is this machine's for the others."""
        settings = {
            "is_host": int(is_host),
            "last_call_timeout": LAST_CALL_S,
            "keep_alive_interval": KEEP_ALIVE_S,
        }
        options = {
            "nnodes": f"{self.min_nodes}:{self.max_nodes}",
            "nproc-per-node": self.num_processes,
            "max-restarts": MAX_RESTARTS,
            "rdzv-backend": "c10d",
            "rdzv-endpoint": self.endpoint,
            "rdzv-id": RUN_ID,
            "rdzv-conf": ",".join(f"{name}={value}" for name, value in settings.items()),
            "local-addr": address,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        return (python, "-m", "torch.distributed.run", *words, "-m", "trainer", *of_trainer)

    def environment(self) -> dict[str, str]:
        """Return the environment of an agent that a person starts."""
        return {**os.environ, **ENVIRONMENT}
