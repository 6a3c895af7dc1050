"""The pages of spend."""
