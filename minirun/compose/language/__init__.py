"""The language of compose files: text becomes a Project; nothing here asks the engine."""
