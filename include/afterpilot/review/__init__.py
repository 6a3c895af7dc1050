"""The review queue and spot checks: what a person is asked, who decides it, and what that says of the rest."""
