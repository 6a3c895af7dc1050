"""The ledger: what is appended, how it is sealed into a signed tree, and how all of it is verified."""
