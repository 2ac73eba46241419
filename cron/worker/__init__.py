"""The worker process: when turns come, and what runs beside them."""
