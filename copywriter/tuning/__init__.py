"""Fine-tuning of a writer on texts that a person or the verifier accepted."""
