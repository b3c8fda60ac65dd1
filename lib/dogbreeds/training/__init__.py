"""Training: what identifies a run, how each framework trains it, and what a finished run stores."""
