"""Overlap, distance and lesion detection: pure functions of two arrays."""
