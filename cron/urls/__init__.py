"""The URLs of the settings: each module parses one kind into a value, or raises WrongUrl.

No client library is loaded, so a settings file can be checked where none is installed. Secrets come
from the environment, never from a URL.
"""
