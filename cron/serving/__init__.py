"""Which release is live, and which versions the model server holds."""
