"""Texts without any model, for each kind of brief, in English and Chinese."""
