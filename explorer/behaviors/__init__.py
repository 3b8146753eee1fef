"""Emergent behaviors: what a model does differently after training, grouped with the examples that taught it."""
