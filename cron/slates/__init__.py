"""The recorded lists: segments of slates, which the journal commits with its own."""
