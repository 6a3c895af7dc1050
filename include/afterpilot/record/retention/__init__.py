"""How long things are kept, what is held, what was removed, and who was erased."""
