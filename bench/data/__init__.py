"""The data sets of the quality benches, their splits, and the snapshots they are trained from."""
