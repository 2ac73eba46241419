"""The data sets of the quality benches, their splits, and snapshots to train from."""
