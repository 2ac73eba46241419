"""Files as bytes and lines, before anything is known of their columns.

`folders` finds files in folders and zip files, `blocks` reads one in blocks of whole lines,
`decoding` turns bytes into text, and `magic` refuses files that are not text.
"""
