"""Vectors of training examples and behaviors: one pass for every method, stored once, read many times."""
