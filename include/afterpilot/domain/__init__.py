"""Plain domain types: what every stage takes and returns. Standard library only."""
