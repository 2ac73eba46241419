"""Texts without any model: what a template says of each kind of brief, in English and Chinese."""
