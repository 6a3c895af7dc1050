"""The review queue: the screen on which people decide. The only pages that change anything."""
