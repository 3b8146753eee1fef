"""Measurements of speed and memory, each as a ratio of two things timed in one run (``python -m explorer bench``)."""
