"""Start the real thing: settings files and the supervisor's programs."""
