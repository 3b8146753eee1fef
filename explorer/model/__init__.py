"""Load a language model, read a prompt as it does, and see into its layers."""
