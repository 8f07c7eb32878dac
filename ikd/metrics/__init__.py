"""Scores of classifiers from their logits, each with its interval: rightness, likelihood, calibration, divergence from the truth."""
