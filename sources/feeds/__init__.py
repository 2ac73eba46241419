"""Feeds of products: Google Merchant's XML, TSV and CSV, read as a stream.

`product` says what the fields of a product become. The gateway reads uploaded feeds with these
modules too, so nothing here loads more than the standard library.
"""
