"""The run history for auditors and the status for owners: server-rendered, read-only, without scripts."""
