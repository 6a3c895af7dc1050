"""The kinds of findings about spend."""

UNKNOWN, STALE = "spend.unknown", "spend.stale"
OVER, NEAR = "spend.over_cap", "spend.near_cap"
BURNING, LEAKING = "spend.burning", "spend.leaking"
CROSSING = "spend.crossing"
