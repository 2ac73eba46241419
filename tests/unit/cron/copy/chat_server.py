"""A small server that speaks the published form of chat completions."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = tuple[int, object]


@dataclass(slots=True)
class ChatServer:
    """Its URL, the requests so far (headers and body), and what it replies to the next."""

    root: str = ""
    requests: list[tuple[dict[str, str], dict[str, object]]] = field(default_factory=list)
    reply: Callable[[int], Reply] = lambda number: (200, completion("Nothing."))


def completion(text: str, prompt_tokens: int = 50, completion_tokens: int = 9) -> object:
    """Return an answer with one choice."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [choice], "usage": usage}


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """Run a server on a free port of loopback."""
    state, one_at_a_time = ChatServer(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with one_at_a_time:  # each request has a number of its own
                state.requests.append((dict(self.headers), body))
                number = len(state.requests)
            is_known = self.path == "/v1/chat/completions"
            status, content = state.reply(number) if is_known else (404, {})
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Write no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        state.root = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
