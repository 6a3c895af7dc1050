"""Evals: cases against a live model, scored; errors of the harness are never the model's."""
