"""Facts in files: RecBole's graphs, tables of triples, and N-Triples."""
