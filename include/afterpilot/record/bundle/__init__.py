"""Evidence bundles: written from the ledger, and verified with nothing but the standard library."""
