"""Public data sets read into records, one publisher a file."""
