"""Make a candidate from a snapshot: a function of files, with no network and no wall clock in its results."""
