"""Other projects' programs on the same rows, side by side with ours; none of them is a dependency."""
