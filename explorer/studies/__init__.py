"""What one does with a whole study from Python: opened with its calls, or written by a trainer."""
