"""The worker process: when turns run, and the jobs beside them."""
