"""The cycle: from collected events to a live release, step by step."""
