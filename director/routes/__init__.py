"""The calls of the API, one noun per module; each module's `routes(director)` lists its Routes."""
