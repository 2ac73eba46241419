"""The pictures of items: fetched from allowed places alone, and kept as thumbnails."""
