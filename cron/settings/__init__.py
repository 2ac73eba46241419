"""The settings: one TOML file and environment overrides become one frozen tree."""
