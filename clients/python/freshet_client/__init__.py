"""The Python client of Freshet's gateway: `Freshet`, and `AsyncFreshet` for asyncio."""

from freshet_client.async_client import AsyncFreshet
from freshet_client.async_event_queue import AsyncEventQueue
from freshet_client.attempts import Retries
from freshet_client.client import Freshet
from freshet_client.errors import FreshetError, QueueFull, Refused, Unavailable
from freshet_client.event_queue import EventQueue
from freshet_client.questions import HistoryElement, ItemChange, PageContext, Question
from freshet_client.records import Event, Fact, Item
from freshet_client.waiting_events import QueueLimits

__all__ = [
    "AsyncEventQueue",
    "AsyncFreshet",
    "Event",
    "EventQueue",
    "Fact",
    "Freshet",
    "FreshetError",
    "HistoryElement",
    "Item",
    "ItemChange",
    "PageContext",
    "Question",
    "QueueFull",
    "QueueLimits",
    "Refused",
    "Retries",
    "Unavailable",
]
