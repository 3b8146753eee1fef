"""Studies: training examples, behaviors and failures, read from any file."""
