"""What answers at TorchServe's address is checked before it is believed."""

from __future__ import annotations

from contextlib import closing

import pytest

from cron.backends.torchserve.server import TorchServe
from cron.errors import Unavailable
from cron.urls.torchserve import parse
from tests.pictures import Page, picture_server

SOMETHING_ELSE = r"something else answers there\); check"


@pytest.mark.parametrize("content", [b"<html>down for repairs</html>", b'["up"]', b"1"])
def test_another_server_at_its_address_counts_as_away(content: bytes) -> None:
    """Such as a proxy with a page of its own, whose status is 200."""
    pages = {"/models/rec/all": Page(content=content), "/models/rec": Page(content=content)}
    with picture_server(pages) as server:
        (node,) = parse(f"torchserve://{server.host}/rec?inference=9")
        with closing(TorchServe(node)) as torchserve:
            with pytest.raises(Unavailable, match=SOMETHING_ELSE):
                torchserve.versions()
            with pytest.raises(Unavailable, match=SOMETHING_ELSE):
                torchserve.live()
