"""Readers of public data sets and of the user's own tables.

`formats` recognises the data set at a path and opens it. `source` defines what every reader
returns. `interactions` holds the events of a data set as columns of numbers.

Rooms, lowest first; each imports only those before it and the two value modules above:
* `cells`: what one cell means
* `files`: folders, zip files and their bytes
* `feeds`: feeds of products, as a stream
* `tables`: rows of CSV, JSON lines and Parquet
* `graphs`: files of facts
* `layouts`: the data sets of each publisher
"""
