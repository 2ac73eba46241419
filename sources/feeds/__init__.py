"""Feeds of products: Google Merchant's XML, TSV and CSV, read as a stream.

`product` says what the fields of a product become. Nothing here loads more than the standard
library.
"""
