"""The HTTP gateway for shops: events in, recommendations out."""
