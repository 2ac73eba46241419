"""The statistics of experiments: pure functions of numbers, which may be looked at every day."""
