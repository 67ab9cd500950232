"""From a Dockerfile to an image: an application on top of the engine."""
