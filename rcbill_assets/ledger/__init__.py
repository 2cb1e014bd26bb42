"""The billing ledger: our own tables, the one place that writes them, and the peer's shape in and out."""
