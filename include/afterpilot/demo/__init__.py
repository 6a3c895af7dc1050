"""The worked example: a production system of its own, a local model, and one command that runs all of it."""
