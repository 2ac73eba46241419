"""What the trainer adds to Ray Train: which failures end a run, and notices of nodes."""
