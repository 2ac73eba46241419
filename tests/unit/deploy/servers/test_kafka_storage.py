"""A Kafka cluster's id: one in 64 random ones begins with a dash, as an option does."""

from __future__ import annotations

import uuid
from base64 import urlsafe_b64decode

import pytest

from deploy.servers.kafka import cluster_id


@pytest.mark.parametrize("first", [0x00, 0xF8, 0xFB, 0xFC, 0xFF])
def test_a_cluster_id_has_sixteen_bytes_and_no_dash_first(first: int) -> None:
    written = cluster_id(uuid.UUID(bytes=bytes([first]) + bytes(15)))
    assert not written.startswith("-")
    assert len(urlsafe_b64decode(written + "==")) == 16
