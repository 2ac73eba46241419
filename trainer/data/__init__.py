"""What a training reads: events, texts, the start bundle, and batches of windows."""
