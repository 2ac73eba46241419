"""The event log in two Kafka topics, one of events and one of items: `log` is its EventLog, and knows nothing that others need not.

`url` reads the setting and loads no client; `connection` has the clients' settings and errors;
`positions` is the cursor; `topics` asks the brokers what there is; `reader` and `writer` move
messages; `messages` makes records of them.
"""
