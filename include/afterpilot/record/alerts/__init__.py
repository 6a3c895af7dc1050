"""Incidents, what people answer, and the messages about them on their way out."""
