"""Text encoders: any Hugging Face model, or hashed words, from a text to one vector."""
