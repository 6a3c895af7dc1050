"""What the eval pages draw and say, made from results as they stand on record."""
