"""The HTTP door for shops: events in, recommendations out."""
