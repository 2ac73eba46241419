"""What the URLs of the settings mean: each is parsed into a value, without any client library."""
