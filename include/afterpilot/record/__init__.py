"""What Afterpilot remembers: tables, repositories and migrations of the ops database (PostgreSQL)."""
