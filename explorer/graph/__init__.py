"""How relevance travels from the prompt's tokens through the layers to the wrong answer."""
