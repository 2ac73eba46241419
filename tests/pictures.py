"""Rendered pictures, and a web server of this machine that has them."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image, ImageDraw


def render(
    colour: str = "red", *, shape: str = "circle", kind: str = "PNG", side_px: int = 64
) -> bytes:
    """Return a picture of one shape on white."""
    picture = Image.new("RGB", (side_px, side_px), "white")
    draw = ImageDraw.Draw(picture)
    box = (side_px // 8, side_px // 8, side_px - side_px // 8, side_px - side_px // 8)
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    else:
        draw.rectangle(box, fill=colour)
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


@dataclass(frozen=True, kw_only=True)
class Page:
    """One answer: status, headers and content; `pause_s` is waited before each byte of it."""

    content: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PictureServer:
    """A running server; pages may be changed at any time, and `asked` has the paths asked for.

    Who knows the ETag or the time of change of a page is answered 304.
    """

    host: str
    pages: dict[str, Page]
    asked: list[str]

    def url(self, path: str) -> str:
        """Return the URL of a page."""
        return f"http://{self.host}{path}"


@contextmanager
def picture_server(pages: Mapping[str, Page]) -> Iterator[PictureServer]:
    """Serve pages by path on a free port of this machine."""
    served, asked = dict(pages), list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            page = served.get(self.path, Page(status=404))
            if self._knows(page):
                page = Page(status=304)
            self.send_response(page.status)
            for name, value in {"Content-Length": str(len(page.content)), **page.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                if not page.pause_s:
                    self.wfile.write(page.content)
                for byte in page.content if page.pause_s else b"":
                    time.sleep(page.pause_s)  # what a slow server does
                    self.wfile.write(bytes([byte]))
            except OSError:
                pass  # the client had enough

        def _knows(self, page: Page) -> bool:
            conditions = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
            return any(
                name in page.headers and self.headers[condition] == page.headers[name]
                for name, condition in conditions.items()
            )

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        host = f"127.0.0.1:{server.server_address[1]}"
        yield PictureServer(host=host, pages=served, asked=asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
