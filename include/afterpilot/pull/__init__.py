"""Brings production records into Afterpilot: where they are read, how values are kept, what is redacted."""
