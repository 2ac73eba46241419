"""One module per layout of files: public data sets and the user's own tables.

`amazon`, `movielens` and `recbole` read the files of their publishers (`amazon_metadata` the items
of the first); `films` makes the items of films. `table` reads a table whose columns the user names,
`table_files` finds its files, and `item_tables` reads a separate file of items.
"""
