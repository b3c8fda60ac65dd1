"""Analysis of finished runs: intervals, comparisons, errors, and why a network fails."""
