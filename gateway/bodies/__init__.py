"""What requests and answers hold: one dataclass for each body, read, written and documented by it."""
