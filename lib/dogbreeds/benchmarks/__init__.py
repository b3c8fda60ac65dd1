"""Benchmarks of training: throughput, scaling, and test accuracy against a baseline pipeline."""
