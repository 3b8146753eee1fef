"""Rank training examples by how much they taught a failure or behavior."""
