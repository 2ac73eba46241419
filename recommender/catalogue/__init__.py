"""The items of a release: their rows, texts and attributes, and the indexes that find them."""
