"""What one cell means, whatever file it is in.

`values` reads ids, texts and numbers, `times` reads points in time, and `event_types` maps the
words of a type column to event types.
"""
