"""The reconciler: what it does when server and ledger differ."""
