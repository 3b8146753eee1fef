"""Maps where the truth is known: public minimal pairs whose deciding words are told by how the file was made."""
