"""What a build tells: numbers, times and states of its vertices."""

from minirun.build.progress import Progress, Vertex


def test_vertices_are_numbered_as_they_are_first_told_of() -> None:
    progress, first, second = Progress(), Vertex("[internal] load build context"), Vertex("[1/2] FROM x")
    progress.expect([second, first])
    progress.start(first)
    progress.cached(second)
    progress.done(first)
    assert (first.number, second.number) == (1, 2)
    assert len(progress.expected) == 2


def test_a_vertex_that_fails_before_it_starts_has_a_number_too() -> None:
    progress, vertex = Progress(), Vertex("[internal] load metadata for docker.io/library/x:latest")
    progress.failed(vertex, "not found")
    assert (vertex.number, vertex.error, vertex.is_running) == (1, "not found", False)


def test_a_vertex_runs_from_its_start_to_its_end() -> None:
    progress, vertex = Progress(), Vertex("[2/2] RUN true")
    assert not vertex.is_running
    progress.start(vertex)
    assert vertex.is_running
    progress.done(vertex)
    assert not vertex.is_running
    assert vertex.seconds >= 0


def test_what_is_cached_is_completed_at_once() -> None:
    progress, vertex = Progress(), Vertex("[2/2] RUN true")
    progress.cached(vertex)
    assert vertex.cached
    assert vertex.completed >= vertex.started > 0
