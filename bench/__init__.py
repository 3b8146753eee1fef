"""Measurements of speed and memory, each as a ratio of two things timed in one run (``python -m explorer bench``)."""

import explorer  # noqa: F401 - before torch: it says how torch's threads wait
