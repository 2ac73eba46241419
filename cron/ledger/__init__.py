"""The ledger: which data was collected, which runs there were, and which release is live."""
