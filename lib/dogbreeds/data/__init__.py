"""Finds, checks, splits and decodes photos, and serves them in batches."""
