"""Judges what was pulled: expectations over a window, and each output before it is used."""
