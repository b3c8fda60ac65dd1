"""What finished runs say: intervals, comparisons, errors, and why a network fails."""
