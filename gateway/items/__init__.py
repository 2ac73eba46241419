"""The shop's items: pages of them, changes, filters, and the lists that need no user."""
