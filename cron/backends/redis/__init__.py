"""Redis: the event log in a stream, and the histories."""
