"""The files of each publisher, and tables of your own: one module per layout."""
