"""What goes wrong with machines that are rented for a training."""

from __future__ import annotations

from cron.errors import FreshetError


class MachinesRefused(FreshetError):
    """Whoever gives machines refuses to start or stop them."""

    def __init__(self, *, where: str, why: str) -> None:
        super().__init__(f"machines of {where}: {why}")


class MachinesMissing(FreshetError):
    """Fewer machines joined in time than a training needs."""

    def __init__(
        self, *, where: str, joined: int, least: int, wait_s: float, why: str = ""
    ) -> None:
        added = f" (last answer: {why})" if why else ""
        super().__init__(
            f"{joined} of at least {least} machines of {where} joined within {wait_s:.0f} s{added};"
            " they were stopped again; raise wait= in worker.machines, or see what it says there"
        )
