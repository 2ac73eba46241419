"""Events and items, the records that everything else is made of: parse, check, serialise."""
