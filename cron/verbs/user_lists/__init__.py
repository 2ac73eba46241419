"""What `recommend` reads and writes: the questions of a file, and the lists of its users."""
