"""One failure: the contrast, one pass forward and one back, and the relevance of every token."""
