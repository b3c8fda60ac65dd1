"""Deployment: trained networks as files that other programs run, and predictions with such a file."""
