"""From a request to its answer: names resolved, lists with rules, search, reasons."""
