"""One back end a file, chosen by URL scheme in `cron.wiring`; each imports its one client library and no other back end."""
