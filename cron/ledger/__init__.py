"""The ledger: which data was collected, which runs took place, and which release is live."""
