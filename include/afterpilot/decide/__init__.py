"""Pure decisions: what was measured becomes findings, findings become a verdict, verdicts become incidents."""
