"""What the gate decided, what people did, and how it goes back to production."""
