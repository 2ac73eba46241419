"""The statistics of experiments: pure functions; their results may be looked at every day."""
