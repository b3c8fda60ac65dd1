"""Photos: found, checked, split, decoded, and handed out in batches."""
