"""Recording of slates: every served list, written to the event log off the answer's path."""
