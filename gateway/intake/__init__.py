"""The way in: records become durable in the event log and part of the histories."""
