"""The event log in two Kafka topics, one of events and one of items: `log` is its EventLog.

`connection` has the clients' settings and errors; `positions` is the cursor; `topics` asks the
brokers for topics and offsets; `reader` and `writer` move messages; `messages` turns them into
records.
"""
