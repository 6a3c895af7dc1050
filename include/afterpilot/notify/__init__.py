"""Puts messages in front of people: neutral message → Block Kit → transport, out of the outbox."""
