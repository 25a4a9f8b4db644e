"""The meshmill command: a thin face over flows and queries."""
