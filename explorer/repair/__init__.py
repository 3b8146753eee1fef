"""Repair: change the training data, train again, measure the behavior again, against controls."""
