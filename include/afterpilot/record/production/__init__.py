"""Production records as they are pulled: written many at once, late and changed rows, and where each source stands."""
