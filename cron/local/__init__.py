"""This machine: its disks, SQLite files, child processes and background threads."""
