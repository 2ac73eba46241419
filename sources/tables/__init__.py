"""Rows of files by named columns.

`columns` defines column roles and chunks of rows. `delimited` (with `quoted` for its quotes),
`json_lines` and `parquet` read any table into chunks. `ratings` reads large files of ratings in
pandas. `rows` finds the original text of rejected rows.
"""
